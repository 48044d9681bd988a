import json
from pathlib import Path

import pytest

from trainer.readme import DOCUMENTS, filled, performance, up_to_date


def write_report(folder: Path) -> None:
    score = {"value": 0.5, "low": 0.4, "high": 0.6}
    report = {
        "metrics": {key: {"accuracy": score, "macro_f1": score} for key in ("test", "val")},
        "parameters": 1234,
        "seconds": 600,
        "recipe": {"image_size": 96, "epochs": 16},
    }
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report))


def test_only_what_stands_between_the_marks_changes(tmp_path):
    write_report(tmp_path / "bn")
    text = "before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n"
    new = filled(text, tmp_path, tmp_path)
    assert new.startswith("before\n<!-- results -->\n| variant")
    assert new.endswith("|\n<!-- end of results -->\nafter\n")
    assert filled(new, tmp_path, tmp_path) == new


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_holds_what_the_files_hold(document):
    assert up_to_date(document) == document.read_text()


def test_each_benchmark_gets_a_table_under_its_title_and_machine(tmp_path):
    rows = [
        {"norm": "bn", "speed": 1.0312, "holds": True},
        {"norm": "ln", "speed": 0.8, "holds": False},
    ]
    machine = {"processor": "Abacus", "cores": 2}
    measured = {"title": "A step", "machine": machine, "rows": rows}
    (tmp_path / "step.json").write_text(json.dumps(measured))
    text = performance(tmp_path)
    assert text.startswith("**A step** (`python -m benchmarks.step`; processor Abacus, cores 2)")
    assert "| bn     |    1.03 | yes     |" in text
    assert "no " in text
