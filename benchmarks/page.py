"""The pages of results that benchmarks write, one section at a time."""

from pathlib import Path


def write_section(page: Path, heading: str, title: str, where: str, body: str) -> None:
    """Replace one section of a page, or add it; the page begins with `heading`.

    Args:
        page: Markdown file; made where there is none.
        heading: its first line.
        title: of the section.
        where: what it was measured on, a sentence.
        body: Markdown.
    """
    text = page.read_text(encoding="utf-8") if page.is_file() else f"{heading}\n"
    head, *sections = text.rstrip().split("\n## ")
    kept = [section for section in sections if not section.startswith(title + "\n")]
    kept.append(f"{title}\n\n{where}\n\n{body}")
    page.write_text("\n\n## ".join(part.rstrip() for part in [head, *sorted(kept)]) + "\n", encoding="utf-8")
