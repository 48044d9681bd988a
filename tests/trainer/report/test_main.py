import json
import re
import subprocess
import sys

import pytest
import yaml

from tests.measurements import write_report, write_results
from trainer.checkpoint.reports import read_reports
from trainer.recipe import CHECKPOINTS
from trainer.report.__main__ import (
    MARKED,
    ROOT,
    TEMPLATES,
    conclude,
    filled,
    render,
    up_to_date,
    wrapped,
)
from trainer.report.benchmarks import performance, speeds


def test_only_what_stands_between_the_marks_changes(tmp_path):
    write_results(tmp_path)
    text = "before\n<!-- scores -->\nold\n<!-- end of scores -->\nafter\n"
    new = filled(text, tmp_path, tmp_path)
    assert new.startswith("before\n<!-- scores -->\n600 of 1,200 test photos (50%)")
    assert new.endswith("|\n<!-- end of scores -->\nafter\n")
    assert filled(new, tmp_path, tmp_path) == new


@pytest.mark.parametrize("template", TEMPLATES.values())
def test_every_template_can_be_filled_from_everything_and_from_reports_alone(tmp_path, template):
    write_report(tmp_path / "bn")
    for path in tmp_path.glob("*/report.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"machines": []}))
    alone = render(template, tmp_path)
    if template not in ("accuracy.svg.j2", "model-card.md.j2", "studies.md.j2"):
        assert "python -m trainer." in alone
    assert "\n\n\n" not in alone


def test_a_template_repeats_the_sentences_of_the_files(tmp_path):
    comparison = write_results(tmp_path)
    text = render("RESULTS.md.j2", tmp_path)
    assert comparison["sentence"] in text
    for name in ("ood", "border"):
        found = json.loads((tmp_path / "results" / f"{name}.json").read_text())
        document = {"ood": "uncertainty.md.j2", "border": "shortcut-learning.md.j2"}[name]
        assert all(row["sentence"] in render(document, tmp_path) for row in found["verdicts"])


def test_verdicts_are_brought_up_to_date_with_their_rows(tmp_path):
    write_results(tmp_path)
    path = tmp_path / "results" / "leakage.json"
    before = path.read_text()
    path.write_text(before.replace("inflated", "no difference"))
    conclude(tmp_path / "results")
    assert json.loads(path.read_text()) == json.loads(before)


def test_results_open_with_one_screen_and_stay_short():
    lines = (ROOT / "RESULTS.md").read_text().splitlines()
    assert len(lines) <= 300
    assert any(line.startswith("![") for line in lines[:12])


def test_the_readme_fits_on_a_few_screens():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    assert len(lines) <= 110
    assert max(map(len, lines)) <= 100
    assert len(re.findall(r"^!\[", text, re.MULTILINE)) == 1


DOCUMENTS = sorted(
    path
    for folder in (".", "benchmarks", "checkpoints", "docs", "docs/results")
    for path in (ROOT / folder).glob("*.md")
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_to_files(document):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
    files = [link for link in links if "://" not in link]
    assert not [link for link in files if not (document.parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_of_the_project_that_a_document_names_are_there(document):
    text = document.read_text(encoding="utf-8")
    folders = "trainer|streamlit_app|plumage|benchmarks|docs|tests|deploy"
    named = re.findall(rf"`((?:{folders})/[\w./-]+)`", text)
    files = [path for path in named if "NAME" not in path and "deploy/tls" not in path]
    assert not [path for path in files if not (ROOT / path).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_a_document_name_modules_and_flags_that_there_are(document):
    text = document.read_text(encoding="utf-8")
    commands = r"-m ((?:trainer|streamlit_app|benchmarks|docs)[\w.]*)([^`#\n]*)"
    for module, rest in re.findall(commands, text):
        place = ROOT / module.rstrip(".").replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module
        package = ROOT / module.partition(".")[0]
        code = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
        for flag in re.findall(r"--([a-z-]+)", rest):
            field = rf'"--{flag}"|^    {flag.replace("-", "_")}:'
            assert re.search(field, code, re.MULTILINE), f"{module} --{flag}"


def test_paragraphs_are_wrapped_and_tables_are_not():
    row, words = f"| {'x' * 200} |", "word " * 40
    lines = wrapped(f"{row}\n- {words}\n{words}").splitlines()
    assert lines[0] == row
    assert max(map(len, lines[1:])) <= 100
    assert lines[2].startswith("  word")
    assert lines[-1].startswith("word")


def test_the_model_card_opens_with_metadata_of_the_measured_figures():
    _, front, _ = (CHECKPOINTS / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(front)
    assert {"license", "library_name", "tags", "datasets", "metrics"} <= card.keys()
    reports = read_reports(CHECKPOINTS)
    assert {entry["name"] for entry in card["model-index"]} == {f"plumage-{n}" for n in reports}
    for entry in card["model-index"]:
        (result,) = entry["results"]
        values = {metric["name"]: metric["value"] for metric in result["metrics"]}
        test = reports[entry["name"].removeprefix("plumage-")]["metrics"]["test"]
        assert values["Accuracy on all test photos"] == round(test["accuracy"]["value"], 4)
        assert next(iter(values)) == "Accuracy on test photos without a near-duplicate in train"


def test_reporting_needs_no_torch():
    code = "import sys, trainer.report.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
    "document", [*TEMPLATES, *MARKED], ids=lambda path: f"{path.parent.name}/{path.name}"
)
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
    assert text.startswith(
        "## A step\n\n`python -m benchmarks.training.step`: processor Abacus, cores 2\n"
    )
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
