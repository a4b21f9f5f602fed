"""Quotes that open where none should: refused with their line in every table, since they swallow rows in silence."""

from pathlib import Path

import pytest

CLASSES = ("cat", "dog", "fox", "yak")
TABLES = {"--superclasses": ("s.csv", "class,superclass", "pet"), "--train-counts": ("t.csv", "class,n", "5")}


@pytest.mark.parametrize("place", ["first", "last", "over two rows", "over all rows"])
@pytest.mark.parametrize("row", [0, 2])
@pytest.mark.parametrize("option", TABLES)
def test_a_row_per_class(refused, here: Path, pair, option: str, row: int, place: str) -> None:
    name, header, value = TABLES[option]
    rows = [[one, value] for one in CLASSES]
    at = 0 if place == "first" else 1
    rows[row][at] = f'"{rows[row][at]}'
    if place.startswith("over"):
        rows[row + 1 if place == "over two rows" else -1][1] += '"'
    (here / name).write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    said = refused("audit", *pair, option, name, "--out", "out", names=name)
    assert f"in line {row + 2} " in said or "fields in every row" in said


@pytest.mark.parametrize("option", ["--labels", "--by"])
@pytest.mark.parametrize("row", [1, 200, 400])
@pytest.mark.parametrize("at", [0, 1])
def test_a_row_per_example(refused, here: Path, pair, option: str, row: int, at: int) -> None:
    rows = [["id", "label"], *([str(i), CLASSES[i % 4]] for i in range(400))]
    rows[row][at] = f'"{rows[row][at]}'
    (here / "t.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    given = "t.csv:label" if option == "--by" else "t.csv"
    said = refused("audit", *pair, option, given, "--out", "out", names="t.csv")
    assert f"a quote that opens in line {row + 1} " in said


@pytest.mark.parametrize(("end", "separator"), [("\r\n", ","), ("\n", "\t"), ("\n", ";"), ("\n", "|")])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_predictions_of_many_read_blocks(refused, here: Path, end: str, separator: str, at: int) -> None:
    rows = [[str(i), CLASSES[i % 4], CLASSES[i % 3]] for i in range(400_001)]
    for name in ("a.csv", "b.csv"):
        (here / name).write_text(end.join([separator.join(("id", "label", "pred")), *map(separator.join, rows)]) + end)
        rows[137_860][at] = f'"{rows[137_860][at]}'
    for words in ((), ("--intersect",)):
        said = refused("audit", "a.csv", "b.csv", *words, "--out", "out", names="b.csv")
        assert "a quote that opens in line 137862 " in said
