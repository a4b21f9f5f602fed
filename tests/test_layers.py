"""Who may import whom, read from the syntax tree; module names in strings (lazy imports) count as imports."""

import ast
import re
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
MAY = {
    "msda": set(),
    "nets": set(),
    "data": set(),
    "audit": set(),
    "integrations": {"msda", "audit"},
    "text": {"data"},
    "train": {"msda", "nets", "data", "text"},
    "grid": {"train", "msda", "nets", "data", "text"},
    "recipes": {"grid", "train"},
    "report": {"audit"},
    "studies": {"msda", "nets", "data", "text", "train", "grid", "audit", "report", "recipes"},
    "paper": {"msda", "nets", "data", "text", "train", "grid", "audit", "report", "recipes", "studies"},
}
MAY["cli"] = {*MAY}
# Inside a function only: the result of an audit offers `report(folder)`, and drawing is the report's.
LATE = {"audit/result.py": {"report"}}
# Inside the audit: each folder imports itself and what lies beneath it; the modules beside the folders see all of them.
AUDIT = {
    "formats": {"errors"},
    "naming": {"errors", "formats"},
    "inputs": {"arm_names", "errors", "settings", "formats", "naming"},
    "measures": {"errors", "settings", "formats", "inputs"},
    "inference": {"errors", "settings", "inputs", "measures"},
    "rows": {"errors", "settings", "formats", "naming", "inputs", "measures", "inference", "quantities"},
}
WITHOUT_TORCH = ("audit", "report")
PACKAGES = sorted(path.parent.name for path in SRC.glob("dropmix/*/__init__.py"))


def imports(path: Path, package: str) -> set[str]:
    """Full names of all modules that a file of `package` imports, at any depth of its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} if re.fullmatch(r"dropmix(\.\w+)+(:\w+)?", node.value) else set()
    return found


def imports_at_the_top(path: Path) -> set[str]:
    """As `imports`, but only what is imported when the module itself is."""
    lines = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    found = set()
    for node in lines:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names | {node.module or ""}
    return found


def files(package: str) -> dict[Path, str]:
    """Each file of one of our packages, with the full name of the package that it lies in."""
    found = (SRC / "dropmix" / package).rglob("*.py")
    return {path: ".".join(path.parent.relative_to(SRC).parts) for path in found}


def test_every_package_has_a_layer() -> None:
    assert set(PACKAGES) <= set(MAY)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_lies_beneath_it(package: str) -> None:
    for path, home in files(package).items():
        ours = {name.split(".")[1] for name in imports(path, home) if name.startswith("dropmix.")}
        late = LATE.get(str(path.relative_to(SRC / "dropmix")), set())
        at_once = {name.split(".")[1] for name in imports_at_the_top(path) if name.startswith("dropmix.")}
        assert not at_once & late, f"{path.relative_to(SRC)} imports {late} at its top"
        wrong = (ours & {*PACKAGES}) - MAY[package] - {package} - late
        assert not wrong, f"{path.relative_to(SRC)} imports {wrong}; {package} may import {sorted(MAY[package])}"


@pytest.mark.parametrize("folder", AUDIT)
def test_a_folder_of_the_audit_imports_only_what_lies_beneath_it(folder: str) -> None:
    for path, home in files(f"audit/{folder}").items():
        ours = {name.split(".")[2] for name in imports(path, home) if name.startswith("dropmix.audit.")}
        wrong = ours - AUDIT[folder] - {folder}
        assert not wrong, f"{path.relative_to(SRC)} imports {wrong}; {folder} may import {sorted(AUDIT[folder])}"


def test_no_import_goes_in_a_circle() -> None:
    graph = {}
    for path in (SRC / "dropmix").rglob("*.py"):
        name = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
        graph[name] = imports_at_the_top(path)
    graph = {name: {m for m in found if m in graph and m != name} for name, found in graph.items()}
    while free := [name for name, found in graph.items() if not found & graph.keys()]:
        for name in free:
            del graph[name]
    assert not graph, f"these import each other: {sorted(graph)}"


def test_folders_are_small() -> None:
    for folder in {path.parent for top in ("src", "tests", "benchmarks") for path in (SRC.parent / top).rglob("*.py")}:
        modules = [path for path in folder.glob("*.py") if path.name not in ("__init__.py", "conftest.py")]
        assert len(modules) <= 15, f"{folder.relative_to(SRC.parent)} has {len(modules)} modules"


def test_files_are_short() -> None:
    folders = ("src", "tests", "benchmarks", "examples")
    kinds = (".py", ".js", ".css", ".html")
    ours = [path for f in folders for path in (SRC.parent / f).rglob("*") if path.suffix in kinds]
    long = [str(path.relative_to(SRC.parent)) for path in ours if len(path.read_text().splitlines()) > 300]
    assert len(ours) > 400
    assert not long, f"over 300 lines: {long}"


def test_a_class_name_stands_for_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for path in sorted((SRC / "dropmix").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{path.relative_to(SRC)}:{node.lineno}")
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert len(places) > 50
    assert not twice, f"give each its own name: {twice}"


def test_tests_mirror_the_package() -> None:
    """Every folder of tests mirrors a folder of the package; a test named after a module lies where the module lies.

    Other names are topics of their folder. What concerns the whole repository lies directly in tests/.
    """
    homes: dict[str, set[Path]] = {}
    for path in (SRC / "dropmix").rglob("*.py"):
        homes.setdefault(path.stem, set()).add(path.parent.relative_to(SRC / "dropmix"))
    here = Path(__file__).parent
    tests = [path.relative_to(here) for path in here.rglob("test_*.py")]
    assert len(tests) > 100
    strangers = [
        str(path) for path in tests if not (SRC / "dropmix" / path.parent).is_dir() and path.parent.name != "hostile"
    ]
    assert not strangers, f"no such folder in the package: {strangers}"
    misplaced = {
        str(path): sorted(map(str, homes[module]))
        for path in tests
        if (module := path.stem.removeprefix("test_")) in homes and path.parent not in homes[module]
    }
    assert not misplaced, f"move these to the folder of their module, or name their topic: {misplaced}"


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_audit_and_report_import_no_torch(package: str) -> None:
    for path, home in files(package).items():
        roots = {name.split(".")[0] for name in imports(path, home)}
        assert not roots & {"torch", "torchvision"}, path.relative_to(SRC)


def test_relative_imports_are_resolved(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("from .a import b\nfrom ..grid import local\ndef f():\n    import torch\nM = 'dropmix.data.x:y'\n")
    ours = {"dropmix.audit.a", "dropmix.audit.a.b", "dropmix.grid", "dropmix.grid.local", "dropmix.data.x:y"}
    assert imports(path, "dropmix.audit") == ours | {"torch"}


def test_front_doors_name_all_that_is_behind_them() -> None:
    """Every package's docstring says in which order to read it."""
    for front in (SRC / "dropmix").rglob("__init__.py"):
        if front.parent.name in ("dropmix", "commands"):
            continue
        doc = ast.get_docstring(ast.parse(front.read_text(encoding="utf-8"))) or ""
        assert "Read in this order: " in doc, f"{front}: say in which order to read"
        order = doc.split("Read in this order: ")[1].split("\n\n")[0]
        files = {path.stem for path in front.parent.glob("*.py")} - {"__init__"}
        inside = files | {path.parent.name for path in front.parent.glob("*/__init__.py")}
        assert {*re.findall(r"`([a-z_0-9]+)`", order)} - {"methods"} == inside - {"methods"}, front
