import csv
import json

import pytest

from dropmix.data.records import DataError
from dropmix.text.read import read_rows, read_splits

ROWS = [('He said "no, thanks"', "refuse"), ("two\nlines; here", "other"), ("ünïcode 😀", "refuse")]


def write(path, rows=ROWS, text="text", label="label", delimiter=","):
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else delimiter)
            out.writerows([(text, label), *rows])
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({text: a, label: b, "more": 1}, ensure_ascii=False) + "\n" for a, b in rows))
    else:
        path.write_text(json.dumps([{text: a, label: b} for a, b in rows]))
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json"])
def test_all_formats_give_the_same_rows(tmp_path, ending):
    assert read_rows(write(tmp_path / f"a.{ending}")) == ROWS


def test_semicolons_and_a_byte_order_mark(tmp_path):
    path = write(tmp_path / "a.csv", delimiter=";")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_rows(path) == ROWS


def test_line_separators_inside_texts_are_kept(tmp_path):
    rows = [("a\u2028b", "x"), ("c\x0bd", "y")]
    assert read_rows(write(tmp_path / "a.csv", rows)) == rows
    assert read_rows(write(tmp_path / "a.jsonl", rows)) == rows


def test_named_columns_win_and_wrong_ones_are_told(tmp_path):
    path = write(tmp_path / "a.csv", text="Frage", label="Absicht")
    assert read_rows(path, "Frage", "Absicht") == ROWS
    with pytest.raises(DataError, match="--set data"):
        read_rows(path)
    with pytest.raises(DataError, match="'Text', got Frage, Absicht"):
        read_rows(path, "Text", "Absicht")


def test_two_possible_columns_are_not_guessed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label,category\na,b,c\n")
    with pytest.raises(DataError, match="got label, category"):
        read_rows(path)
    assert read_rows(path, label="category") == [("a", "c")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\nhello, world,x\n", "line 2: expected 2 fields"),
        ("text,label\nok,x\n,y\n", "row 2: expected a text, got ''"),
        ("text,label\n", "got none"),
        ('text,label\n"open,x\n', "expected CSV"),
    ],
)
def test_bad_rows_are_named(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_rows(path)


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\ncaf\xe9,x\n".encode("latin-1"))
    with pytest.raises(DataError, match="expected UTF-8, got byte 0xe9"):
        read_rows(path)


def test_numbers_as_labels_are_names_and_fractions_are_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": 3}\n')
    assert read_rows(path) == [("a", "3")]
    path.write_text('{"text": "a", "label": 3.5}\n')
    with pytest.raises(DataError, match="expected a label, got 3"):
        read_rows(path)


def test_a_file_as_clincs_holds_both_splits(tmp_path):
    path = tmp_path / "d.json"
    path.write_text(
        json.dumps({"oos_train": [["x", "oos"]], "train": [["a", "b"]], "val": [["v", "b"]], "test": [["c", "b"]]})
    )
    assert read_splits(path) == ([("a", "b")], [("c", "b")])


def test_a_folder_without_a_test_file_says_what_it_holds(tmp_path):
    write(tmp_path / "train.csv")
    with pytest.raises(DataError, match=r"expected files train and test .* got train.csv"):
        read_splits(tmp_path)
    write(tmp_path / "train.jsonl")
    with pytest.raises(DataError, match="expected one file train"):
        read_splits(tmp_path)
