"""Sphinx settings: Markdown by myst, pages in furo."""

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
