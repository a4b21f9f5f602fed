"""Who may import whom, read from the syntax tree; names of modules in texts (lazy imports) count as imports."""

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
    "train": {"msda", "nets", "data"},
    "grid": {"train", "msda", "nets", "data"},
    "recipes": {"grid", "train"},
    "report": {"audit"},
    "integrations": {"msda", "audit"},
    "studies": {"msda", "nets", "data", "train", "grid", "audit", "report", "recipes", "integrations"},
}
MAY["cli"] = {*MAY}
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
        wrong = (ours & {*PACKAGES}) - MAY[package] - {package}
        assert not wrong, f"{path.relative_to(SRC)} imports {wrong}; {package} may import {sorted(MAY[package])}"


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_audit_and_report_import_no_torch(package: str) -> None:
    for path, home in files(package).items():
        roots = {name.split(".")[0] for name in imports(path, home)}
        assert not roots & {"torch", "torchvision"}, path.relative_to(SRC)


def test_relative_imports_are_resolved(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("from .a import b\nfrom ..grid import run\ndef f():\n    import torch\nM = 'dropmix.data.x:y'\n")
    ours = {"dropmix.audit.a", "dropmix.audit.a.b", "dropmix.grid", "dropmix.grid.run", "dropmix.data.x:y"}
    assert imports(path, "dropmix.audit") == ours | {"torch"}
