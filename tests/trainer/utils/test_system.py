import os
import platform
from pathlib import Path

import pytest
import torch

from trainer.utils import system
from trainer.utils.system import DeviceError, check_device, machine, processor


def test_a_machine_is_named_by_its_processor_and_cores_and_a_gpu(monkeypatch):
    assert machine("cpu") == {"processor": processor(), "cores": os.cpu_count()}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")
    assert machine("cuda:1")["gpu"] == "GPU of cuda:1"


def test_where_the_system_does_not_tell_its_processor_python_does(monkeypatch):
    def nothing(path, encoding):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", nothing)
    monkeypatch.setattr(platform, "processor", lambda: "Abacus")
    assert processor() == "Abacus"


def test_a_device_that_is_not_there_is_named_with_the_way_out(monkeypatch):
    check_device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_device("cuda")
    check_device("cuda:0")
    with pytest.raises(DeviceError, match="--device cuda:1 is not there: torch finds 1 GPU"):
        check_device("cuda:1")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="--device cpu trains on the processor"):
        check_device("mps")


def test_where_the_c_library_is_another_one_malloc_stays_as_it_is(monkeypatch):
    def absent(_):
        raise OSError("no such library")

    monkeypatch.setattr(system.ctypes, "CDLL", absent)
    system.tune_malloc()
