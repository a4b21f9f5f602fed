"""Sphinx settings: Markdown by myst, pages in furo."""

from typing import Any

import dropmix

project = "dropmix"
author = "dropmix maintainers"
version = release = dropmix.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "LOG.md"]  # the log is for maintainers

# Docstrings have sections of their own beside the usual ones.
napoleon_custom_sections = [("Source", "notes_style")]
autodoc_member_order = "bysource"
autodoc_typehints = "none"

html_theme = "furo"
html_title = "dropmix"
html_show_copyright = False


def keep_formulas(app: Any, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Keep the lines of formulas and other indented parts of a docstring, which would run together as a quotation."""
    for at, line in reversed([*enumerate(lines)]):
        above = next((lines[i] for i in range(at - 1, -1, -1) if lines[i].strip()), "")
        starts = line.startswith("    ") and at > 0 and not lines[at - 1].strip()
        if starts and above and not above.startswith(" "):
            lines[at:at] = [".. code-block:: none", ""]


def setup(app: Any) -> None:
    """Register what autodoc calls before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", keep_formulas, priority=400)
