"""Write the gallery's list of methods from `METHODS`, their docstrings and cards: `python docs/write_gallery.py`."""

import inspect
import re
from pathlib import Path

from dropmix.msda import METHODS, get_method

DOCS = Path(__file__).parent
BEGIN, END = "<!-- methods: written by docs/write_gallery.py -->\n", "<!-- end of methods -->\n"


def entry(name: str) -> str:
    """One method: its title and link, what it does, a picture, and where it comes from."""
    method = get_method(name)
    card = (DOCS / "methods" / f"{name}.md").read_text(encoding="utf-8")
    title = card.splitlines()[0].removeprefix("# ")
    what = first_paragraph(method).removesuffix(".").split(" (")[0]
    source = re.sub(r"^\S+\. |\.$", "", first_paragraph(inspect.getmodule(method))) if name != "vanilla" else ""
    source = re.sub(r"arXiv[: ](\d+\.\d+)", r"[arXiv \1](https://arxiv.org/abs/\1)", source)
    said = f"`{name}`: {what[0].lower()}{what[1:]}." + (f" {source}." if source else "")
    return f"## [{title}](methods/{name}.md)\n\n{said}\n\n![{title}](methods/images/{name}.png)\n\n"


def first_paragraph(thing: object) -> str:
    """First paragraph of a docstring, as one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def renewed(page: str) -> str:
    """The text of the gallery with the list between its marks made anew."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + "\n" + "".join(map(entry, METHODS)) + END + rest.split(END)[1]


if __name__ == "__main__":
    path = DOCS / "gallery.md"
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
