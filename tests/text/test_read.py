import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.data.records import DataError
from dropmix.text.read import Example, TextColumns, read_rows

PAIRS = [('He said "no, thanks"', "refuse"), ("two\nlines; here", "other"), ("ünïcode 😀", "refuse")]


ROWS = [Example(*pair) for pair in PAIRS]


def write(path, rows=PAIRS, text="text", label="label", delimiter=","):
    if path.suffix.lower() in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else delimiter)
            out.writerows([(text, label), *rows])
    elif path.suffix.lower() == ".jsonl":
        path.write_text("".join(json.dumps({text: a, label: b, "more": 1}, ensure_ascii=False) + "\n" for a, b in rows))
    else:
        path.write_text(json.dumps([{text: a, label: b} for a, b in rows]))
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "CSV", "Jsonl"])
def test_all_formats_give_the_same_rows(tmp_path, ending):
    assert read_rows(write(tmp_path / f"a.{ending}")) == ROWS


def test_a_tsv_file_with_commas_is_read(tmp_path):
    assert read_rows(write(tmp_path / "a.tsv", delimiter=",")) == read_rows(write(tmp_path / "b.csv"))


def test_semicolons_and_a_byte_order_mark(tmp_path):
    path = write(tmp_path / "a.csv", delimiter=";")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_rows(path) == ROWS


def test_line_separators_inside_texts_are_kept(tmp_path):
    rows = [("a\u2028b", "x"), ("c\x0bd", "y")]
    assert read_rows(write(tmp_path / "a.csv", rows)) == [Example(*pair) for pair in rows]
    assert read_rows(write(tmp_path / "a.jsonl", rows)) == [Example(*pair) for pair in rows]


def test_named_columns_win_and_wrong_ones_are_told(tmp_path):
    path = write(tmp_path / "a.csv", text="Frage", label="Absicht")
    assert read_rows(path, TextColumns("Frage", "Absicht")) == ROWS
    with pytest.raises(DataError, match="--set data"):
        read_rows(path)
    with pytest.raises(DataError, match="'Text', got Frage, Absicht"):
        read_rows(path, TextColumns("Text", "Absicht"))


def test_two_possible_columns_are_not_guessed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label,category\na,b,c\n")
    with pytest.raises(DataError, match="got label, category"):
        read_rows(path)
    assert read_rows(path, TextColumns(label="category")) == [Example("a", "c")]


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
    assert read_rows(path) == [Example("a", "3")]
    path.write_text('{"text": "a", "label": 3.5}\n')
    with pytest.raises(DataError, match="expected a label, got 3"):
        read_rows(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_between_the_columns(tmp_path, delimiter):
    path = write(tmp_path / "a.csv", delimiter=delimiter, label="label")
    header, rest = path.read_text().split("\n", 1)
    header += delimiter + '"said, or; written | noted"' if delimiter != "\t" else delimiter + "said, or; written, noted"
    rows = csv.reader(io.StringIO(rest, newline=""), delimiter=delimiter)
    with path.open("w", newline="") as file:
        file.write(header + "\n")
        csv.writer(file, delimiter=delimiter).writerows([[*row, "x"] for row in rows])
    assert read_rows(path) == ROWS


def test_utf16_with_its_mark_and_rows_that_a_spreadsheet_leaves(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\ngrüße,x\n,\n , \n".encode("utf-16"))
    assert read_rows(path) == [Example("grüße", "x")]


def test_names_of_classes_win_over_their_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label,label_text\na,0,good\n")
    assert read_rows(path) == [Example("a", "good")]


def test_parquet_takes_names_from_its_metadata(tmp_path):
    features = {"label": {"names": ["bad", "good"], "_type": "ClassLabel"}}
    meta = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"text": ["a", "b"], "label": [1, 0]}).replace_schema_metadata(meta)
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_rows(tmp_path / "a.parquet") == [Example("a", "good"), Example("b", "bad")]
    pq.write_table(pa.table({"text": ["a"], "label": pa.array(["x"]).dictionary_encode()}), tmp_path / "b.parquet")
    assert read_rows(tmp_path / "b.parquet") == [Example("a", "x")]
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"c\.parquet: expected a whole parquet file"):
        read_rows(tmp_path / "c.parquet")


def test_columns_of_json_and_whole_floats(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"text": ["a", "b"], "label": [1.0, 2]}')
    assert read_rows(path) == [Example("a", "1"), Example("b", "2")]
    path.write_text('{"text": ["a", "b"], "label": [1]}')
    with pytest.raises(DataError, match=r"columns of one length, got text \(2\), label \(1\)"):
        read_rows(path)


def test_all_rows_that_lack_something_are_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join('{"text": "a", "label": NaN}\n' for _ in range(8)) + '{"text": "a", "label": "x"}\n')
    with pytest.raises(DataError, match=r"row 1: expected a label, got nan; row 2.* and 3 more. Give each row"):
        read_rows(path)


def test_blanks_around_a_label_or_group_are_no_part_of_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,label,author\n" a ", x ,Ann \n')
    assert read_rows(path, TextColumns(group="author")) == [Example(" a ", "x", "Ann")]


def test_a_group_is_a_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label,author\na,x,Ann\n")
    assert read_rows(path, TextColumns(group="author")) == [Example("a", "x", "Ann")]
    with pytest.raises(DataError, match=r"data\.group: expected one of the columns"):
        read_rows(path, TextColumns(group="writer"))


TABLE = [
    "text,label",
    *(f"what the {name} said number {i},{name}" for i in range(50) for name in ("cat", "dog", "fox")),
]


def with_quotes(opens: str, closes: str, swap: bool) -> str:
    """The rows, the text or label of one with an opening quote, and one forty rows later with a closing one."""
    rows = [row.split(",") for row in TABLE]
    rows[10][opens == "label"] = f'"{rows[10][opens == "label"]}'
    if closes:
        rows[50][closes == "label"] += '"'
    return "\n".join(",".join(reversed(row) if swap else row) for row in rows) + "\n"


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(("opens", "closes"), [("text", ""), ("label", ""), ("text", "text"), ("label", "label")])
def test_a_stray_quote_swallows_no_row(tmp_path, opens, closes, swap):
    (tmp_path / "a.csv").write_text(with_quotes(opens, closes, swap))
    with pytest.raises(DataError, match=r"a\.csv: .* row that begins in line 11\b"):
        read_rows(tmp_path / "a.csv")


def test_a_stray_quote_that_swallows_one_row_is_found(tmp_path):
    rows = list(TABLE)
    rows[10] = f'"{rows[10]}'
    rows[11] = rows[11].replace(",", '",')
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(DataError, match="got 2 in the quotes of the row that begins in line 11"):
        read_rows(tmp_path / "a.csv")


@pytest.mark.parametrize("names", [("text", "label"), ("label", "text")])
def test_texts_of_several_lines_are_read(tmp_path, names):
    texts = [
        "Good food, bad service.\nOver all, fine",
        "First\n\n  second, third\n",
        'He said "no, dog"\nand left',
        "one",
    ]
    rows = [{"text": text, "label": label} for text, label in zip(texts, ["cat", "dog", "fox", "dog"])]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    assert [row.text for row in read_rows(tmp_path / "a.csv")] == texts
