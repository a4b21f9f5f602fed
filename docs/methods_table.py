"""Write the README's table of methods from `METHODS` and the methods' docstrings: `python docs/methods_table.py`."""

import inspect
import re
from pathlib import Path

from dropmix.msda import METHODS, get_method

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- methods: written by docs/methods_table.py -->\n", "<!-- end of methods -->\n"


def table() -> str:
    """Markdown, a row a method: its name (linked to its card, if it has one), what it does, where it is from."""
    return "".join(["| method | what it does | from |\n|---|---|---|\n", *map(row, METHODS)])


def row(name: str) -> str:
    """One row, from the first paragraphs of the docstrings of the method and of its module."""
    method = get_method(name)
    what = first_paragraph(method).removesuffix(".").split(" (")[0]
    source = re.sub(r"^\S+\. |\.$", "", first_paragraph(inspect.getmodule(method))) if name != "vanilla" else ""
    source = re.sub(r"arXiv[: ](\d+\.\d+)", r"[arXiv \1](https://arxiv.org/abs/\1)", source)
    card = f"docs/methods/{name}.md"
    shown = f"[`{name}`]({card})" if (ROOT / card).is_file() else f"`{name}`"
    return f"| {shown} | {what} | {source} |\n"


def first_paragraph(thing: object) -> str:
    """First paragraph of a docstring, as one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def renewed(readme: str) -> str:
    """The text of a README with the table between its marks made anew."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
