from trainer.utils import memory


def test_where_the_c_library_is_another_one_nothing_happens(monkeypatch):
    def absent(_):
        raise OSError("no such library")

    monkeypatch.setattr(memory.ctypes, "CDLL", absent)
    memory.keep_memory()
