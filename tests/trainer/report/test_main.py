import json
from pathlib import Path

import pytest

from trainer.report.__main__ import DOCUMENTS, filled, performance, speeds, up_to_date


def write_report(folder: Path) -> None:
    score = {"value": 0.5, "low": 0.4, "high": 0.6}
    report = {
        "metrics": {key: {"accuracy": score, "macro_f1": score} for key in ("test", "val")},
        "parameters": 1234,
        "seconds": 600,
        "recipe": {"image_size": 96, "epochs": 16},
        "machines": [{"processor": "P", "cores": 2}],
    }
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report))


def test_only_what_stands_between_the_marks_changes(tmp_path):
    write_report(tmp_path / "bn")
    text = "before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n"
    new = filled(text, tmp_path, tmp_path)
    assert new.startswith("before\n<!-- results -->\n| variant")
    assert new.endswith("do.\n<!-- end of results -->\nafter\n")
    assert filled(new, tmp_path, tmp_path) == new


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.name}")
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
    assert text.startswith("## A step\n\n`python -m benchmarks.step`: processor Abacus, cores 2\n")
    assert "| bn     |    1.03 | yes     |" in text
    assert "no " in text


def test_the_summary_of_speeds_has_a_row_a_norm_and_leaves_blank_what_was_not_compared(tmp_path):
    layer = {"kernels": "compiled", "layer": "bn", "mean": 1.234}
    rows = {
        "layers": [layer | {"dtype": "float32"}, layer | {"dtype": "bfloat16", "mean": 1.5}],
        "step": [
            {"kernels": "compiled", "norm": "bn", "speed": 1.02},
            {"kernels": "plain", "norm": "bn", "speed": 0.5},
        ],
        "onnx_norms": [{"pixels": 128, "norm": norm, "times bn": 1.1} for norm in ("bn", "nn")],
        "onnx_saliency": [{"norm": norm, "times answer": 2.5} for norm in ("bn", "nn")],
        "epoch": [{"against": "the plain script", "speed": 6.5}],
    }
    machine = {"processor": "Abacus", "cores": 2, "torch": "9"}
    for name, table in rows.items():
        measured = {"title": name, "machine": machine, "rows": table}
        (tmp_path / f"{name}.json").write_text(json.dumps(measured))
    lines = speeds(tmp_path).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:4]]
    assert cells == [
        ["`bn`", "1.23", "1.50", "1.02", "1.10", "2.50"],
        ["`nn`", "", "", "", "1.10", "2.50"],
    ]
    assert "- 6.50 times the plain script" in lines
