import json
from pathlib import Path

from trainer.readme import filled, performance, results, up_to_date

ROOT = Path(__file__).parents[2]


def write_report(folder: Path, accuracy: float) -> None:
    score = {"value": accuracy, "low": accuracy - 0.02, "high": accuracy + 0.02}
    metrics = {"accuracy": score, "macro_f1": score}
    folder.mkdir(parents=True)
    report = {"metrics": {"test": metrics, "val": metrics}, "parameters": 1234, "seconds": 600}
    (folder / "report.json").write_text(json.dumps(report))


def test_the_table_has_a_row_for_each_report_with_its_intervals(tmp_path):
    write_report(tmp_path / "bn", 0.8612)
    write_report(tmp_path / "gn", 0.85)
    table = results(tmp_path)
    assert "| `bn`" in table
    assert "86.1 (84.1 to 88.1)" in table
    assert "1,234" in table
    assert len(table.splitlines()) == 4


def test_only_what_stands_between_the_marks_changes(tmp_path):
    write_report(tmp_path / "bn", 0.5)
    text = "before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n"
    new = filled(text, tmp_path, tmp_path)
    assert new.startswith("before\n<!-- results -->\n| variant")
    assert new.endswith("|\n<!-- end of results -->\nafter\n")
    assert filled(new, tmp_path, tmp_path) == new


def test_the_readme_holds_what_the_reports_hold():
    readme = ROOT / "README.md"
    assert up_to_date(readme) == readme.read_text()


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
