"""The rules of the house, read from the code itself."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
APP = sorted((ROOT / "streamlit_app").rglob("*.py"))
TRAINER = sorted((ROOT / "trainer").rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
SHARED = sorted((ROOT / "plumage").rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, by its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def packages(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imported(path)}


@pytest.mark.parametrize("path", APP, ids=name)
def test_the_app_imports_neither_torch_nor_the_trainer(path: Path) -> None:
    assert not packages(path) & {"torch", "torchvision", "trainer"}


@pytest.mark.parametrize("path", TRAINER, ids=name)
def test_the_trainer_does_not_import_the_app(path: Path) -> None:
    assert "streamlit_app" not in packages(path)


@pytest.mark.parametrize("path", SHARED, ids=name)
def test_what_both_sides_share_imports_neither_of_them(path: Path) -> None:
    assert not packages(path) & {"torch", "torchvision", "streamlit", "trainer", "streamlit_app"}


@pytest.mark.parametrize("path", BENCHMARKS, ids=name)
def test_benchmarks_import_neither_tests_nor_docs(path: Path) -> None:
    assert not packages(path) & {"tests", "docs"}


@pytest.mark.parametrize("path", APP + TRAINER, ids=name)
def test_photos_are_read_by_plumage_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    readers = {"Image.open", "PIL.Image.open", "cv2.imread", "cv2.imdecode"}
    assert not named & readers
    assert not named & {"pillow_heif.open_heif", "pillow_heif.read_heif"}


@pytest.mark.parametrize("path", SHARED + APP + TRAINER, ids=name)
def test_what_only_some_systems_have_is_imported_where_it_is_used(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {alias.name for node in imports for alias in node.names}
    named |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    assert not named & set("resource fcntl pwd grp termios tty pty syslog winreg msvcrt".split())


# A part imports from its own part and from those before it.
ORDER = [
    "plumage",
    # the trainer
    "trainer.utils",
    "trainer.model",
    "trainer.recipe",
    "trainer.run_folder",
    "trainer.data",
    "trainer.audit.detect",
    "trainer.splits",
    "trainer.opening",
    "trainer.schedule",
    "trainer.metrics",
    "trainer.verdicts",
    "trainer.state",
    "trainer.training",
    "trainer.run",
    "trainer.checkpoint",
    "trainer.audit",
    "trainer.evaluate",
    "trainer.explain",
    "trainer.studies",
    "trainer.report",
    "trainer.__main__",
    # the app
    "streamlit_app.norms",
    "streamlit_app.species",
    "streamlit_app.markdown",
    "streamlit_app.inference",
    "streamlit_app.camtrap_dp",
    "streamlit_app.results",
    "streamlit_app.ui",
    "streamlit_app.views",
    "streamlit_app.main",
    "streamlit_app.batch",
]


def rank(module: str) -> int:
    """The place in ORDER of the longest name there that a module belongs to; -1 for none."""
    owners = [part for part in ORDER if f"{module}.".startswith(f"{part}.")]
    return ORDER.index(max(owners, key=len)) if owners else -1


@pytest.mark.parametrize("path", SHARED + TRAINER + APP, ids=name)
def test_every_import_points_downhill(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    above = [other for other in imported(path) if rank(other) > rank(module)]
    assert not above or path.name == "__init__.py"


def test_no_imports_go_in_a_circle() -> None:
    modules = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in TRAINER + APP + SHARED
    }
    waiting = {
        name: set(imported(path)) & modules.keys() - {name} for name, path in modules.items()
    }
    while free := [name for name, needed in waiting.items() if not needed]:
        for name in free:
            del waiting[name]
        for needed in waiting.values():
            needed.difference_update(free)
    assert not waiting


def tracked() -> list[Path]:
    """Every file that git knows."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / file for file in listed.stdout.splitlines()]


def test_a_folder_holds_at_most_a_dozen_files() -> None:
    files = [path for path in tracked() if path.name != "__init__.py"]
    counts = Counter(path.parent for path in files)
    del counts[ROOT]  # tools look for most of its files there
    assert not {name(folder): count for folder, count in counts.items() if count > 12}


SHOW = ("examples", "frame", "photo", "saliency", "session", "state")  # of ui, beside the pages


@pytest.mark.parametrize("path", APP, ids=name)
def test_only_pages_and_what_they_share_import_streamlit(path: Path) -> None:
    shows = "views" in path.parts or path.stem == "main"
    shows = shows or (path.parent.name == "ui" and path.stem in SHOW)
    assert shows or "streamlit" not in packages(path)


@pytest.mark.parametrize("path", SHARED + APP + TRAINER + BENCHMARKS, ids=name)
def test_text_files_are_opened_as_utf_8_by_name(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        opens = called == "open" and ast.unparse(node.func) not in ("Image.open", "os.open")
        binary = any(
            isinstance(word, ast.Constant) and isinstance(word.value, str) and "b" in word.value
            for word in [*node.args, *(keyword.value for keyword in node.keywords)]
        )
        if called in ("read_text", "write_text") or (opens and not binary):
            named = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert "utf-8" in named.get("encoding", ""), ast.unparse(node)


@pytest.mark.parametrize("path", APP + TRAINER, ids=name)
def test_no_pickle_is_loaded(path: Path) -> None:
    assert not packages(path) & {"pickle", "dill", "joblib", "cloudpickle", "shelve"}
    text = path.read_text(encoding="utf-8")
    named = {ast.unparse(n) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Attribute)}
    assert not named & {"torch.load", "torch.hub.load", "pd.read_pickle"}
    assert "allow_pickle" not in text


def test_the_app_imports_only_what_its_requirements_name() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = {line.split(">")[0].strip() for line in lines if line and line[0] != "#"}
    known = {"PIL": "pillow", "pillow_heif": "pillow-heif"}
    others = (
        set().union(*map(packages, APP + SHARED))
        - sys.stdlib_module_names
        - {"plumage", "streamlit_app", "ray"}
    )
    assert {known.get(package, package) for package in others} <= required


@pytest.mark.parametrize("path", APP + TRAINER, ids=name)
def test_only_what_runs_on_a_cluster_imports_ray(path: Path) -> None:
    assert path.name == "ray.py" or "ray" not in packages(path)


@pytest.mark.slow
def test_the_app_runs_where_torch_and_the_trainer_are_not_installed() -> None:
    script = """
import sys
for name in ("torch", "torchvision", "trainer"):
    sys.modules[name] = None  # importing it raises ImportError
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("streamlit_app/main.py", default_timeout=300).run()
assert not app.exception, app.exception
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=300)


def test_tests_mirror_the_folders() -> None:
    folders = {path.parent.relative_to(ROOT) for path in APP + TRAINER}
    views = Path("streamlit_app/views")
    folders -= {views / "parts", views / "results_tabs"}  # tested with their pages
    assert not [str(folder) for folder in folders if not (ROOT / "tests" / folder).is_dir()]


BANNED = (
    r"\banew\b|\bof which\b|\bstands in\b|\bso many\b|\bis told\b|\bwhoever\b|\bby heart\b"
    r"|\bgives \w+ away\b|\bare to be had\b|\bsureness\b|\bgo(es)? on\b"
    r"|(?<!--)\bstrangers?\b|\brelatives\b|\bspoil(s|t)?\b|\bspeaks? (for|against)\b"
    r"|\bby rights\b|(?-i:\b(MOST|LEAST)_)|\bmoods\b|\bmost surely\b"
)
WORDED = (".cpp", ".html", ".j2", ".js", ".md", ".py", ".toml", ".yml")


def test_no_text_has_a_banned_phrase() -> None:
    files = [path for path in tracked() if path.suffix in WORDED]
    found = [
        f"{name(path)}:{number}: {line.strip()}"
        for path in files
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(BANNED, line, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", SHARED + TRAINER + APP + BENCHMARKS, ids=name)
def test_docstrings_open_with_an_imperative_or_a_noun(path: Path) -> None:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.get_docstring(node) if isinstance(node, kinds) else None
        assert not re.match(r"(By )?(what|how|which|where|who)\b", text or "", re.IGNORECASE), text
