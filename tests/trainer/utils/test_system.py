import os
import platform
from pathlib import Path

import torch

from trainer.utils.system import machine, processor


def test_a_machine_is_named_by_its_processor_and_cores_and_a_gpu(monkeypatch):
    assert machine("cpu") == {"processor": processor(), "cores": os.cpu_count()}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")
    assert machine("cuda:1")["gpu"] == "GPU of cuda:1"


def test_where_the_system_does_not_tell_its_processor_python_does(monkeypatch):
    def nothing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", nothing)
    monkeypatch.setattr(platform, "processor", lambda: "Abacus")
    assert processor() == "Abacus"
