import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.data.records import DataError
from dropmix.text.read import Example
from dropmix.text.splits import TextSource, read_source

A, B, C = Example("a", "x"), Example("b", "y"), Example("c", "x")
LINES = "text,label\na,x\nb,y\n"
TEST = "text,label\nc,x\n"


@pytest.fixture
def put(tmp_path):
    def write(**files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/").replace("_DOT_", ".").replace("_DASH_", "-")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train_DOT_csv", "test_DOT_csv"),
        ("Training_set_DOT_CSV", "testing_DOT_csv"),
        ("reviews_DASH_train_DOT_csv", "reviews_DASH_test_DOT_csv"),
        ("train_DOT_csv", "dev_DOT_csv"),
        ("train__data_DOT_csv", "test__data_DOT_csv"),
        ("train__train_DOT_csv", "val__val_DOT_csv"),
        ("export__train_DOT_csv", "export__test_DOT_csv"),
    ],
)
def test_splits_by_their_names(put, train, test):
    assert read_source(put(**{train: LINES, test: TEST})) == TextSource([A, B], [C])


def test_what_is_left_out_is_told_and_validation_gives_way_to_test(put):
    folder = put(train_DOT_csv=LINES, test_DOT_csv=TEST, val_DOT_csv=LINES, domains_DOT_json="{}", labels_DOT_json="[]")
    assert read_source(folder) == TextSource([A, B], [C], ("left out: labels.json, val.csv",))


def test_shards_are_joined(tmp_path):
    for k, row in enumerate([A, B]):
        pq.write_table(
            pa.table({"text": [row.text], "label": [row.label]}), tmp_path / f"train-0000{k}-of-00002.parquet"
        )
    pq.write_table(pa.table({"text": ["c"], "label": ["x"]}), tmp_path / "test-00000-of-00001.parquet")
    assert read_source(tmp_path) == TextSource([A, B], [C])


def test_one_file_is_one_part(put):
    folder = put(reviews_DOT_csv=LINES)
    assert read_source(folder) == read_source(folder / "reviews.csv") == TextSource([A, B], None)


def test_a_file_per_text_and_a_folder_per_class(put):
    texts = {"x__1_DOT_txt": "a", "y__1_DOT_txt": "b", "x___DOT_DS": "junk"}
    assert read_source(put(**texts)) == TextSource([A, B], None)


def test_a_folder_per_class_in_each_split(put):
    folder = put(train__x__1_DOT_txt="a", train__y__1_DOT_txt="b", test__x__1_DOT_txt="c", README_DOT_md="x")
    assert read_source(folder) == TextSource([A, B], [C])
    put(train__y__2_DOT_txt=" \n")
    with pytest.raises(DataError, match=r"2\.txt: expected a text, got an empty file"):
        read_source(folder)


def test_a_column_of_splits_is_followed(put):
    lines = "text,label,{}\na,x,Train\nb,y,train\nc,x,Test\nd,y,validation\n"
    for name in ("split", "Set", "partition"):
        found = read_source(put(d_DOT_csv=lines.format(name)))
        assert ([row.text for row in found.train], [row.text for row in found.test]) == (["a", "b"], ["c"])
        assert "1 text of other splits left out" in found.notes
    for other in ("text,label,split\na,x,north\nb,y,south\n", "text,label,split\na,x,train\nb,y,train\n"):
        assert read_source(put(d_DOT_csv=other)).test is None


def test_a_folder_as_the_imdb_reviews_holds_two_classes_in_two_splits(put):
    beside = {"db__README": "", "db__imdbEr_DOT_txt": "0.1", "db__train__unsup__0_0_DOT_txt": "z"}
    beside |= {f"db__{split}__urls_pos_DOT_txt": "http://" for split in ("train", "test")}
    texts = {"db__train__x__0_9_DOT_txt": "a", "db__train__y__0_2_DOT_txt": "b", "db__test__x__0_9_DOT_txt": "c"}
    folder = put(**texts, **beside)
    expected = TextSource([A, B], [C], ("left out: train/unsup",))
    assert read_source(folder) == read_source(folder / "db") == expected


@pytest.mark.parametrize(
    "content", [{"data": [["a", "x"], ["b", "y"]], "version": "1"}, {"text": ["a", "b"], "label": ["x", "y"]}]
)
def test_one_json_file(tmp_path, content):
    (tmp_path / "d.json").write_text(json.dumps(content))
    assert read_source(tmp_path / "d.json") == TextSource([A, B], None)


def test_json_lines_in_a_file_named_json(put):
    lines = '{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n'
    assert read_source(put(d_DOT_json=lines)) == TextSource([A, B], None)
    with pytest.raises(DataError, match=r"d\.json, line 2: expected JSON"):
        read_source(put(d_DOT_json=lines.replace('{"text": "b"', "{text")))


def test_a_file_as_clincs_holds_both_splits(tmp_path):
    path = tmp_path / "d.json"
    rows = {"oos_train": [["z", "oos"]], "train": [["a", "x"], ["b", "y"]], "val": [["v", "y"]], "test": [["c", "x"]]}
    path.write_text(json.dumps(rows))
    assert read_source(path) == TextSource([A, B], [C])
    path.write_text(json.dumps({"yes": [["a", "x"]], "no": [["b", "y"]]}))
    with pytest.raises(DataError, match="entries train and test, got yes, no"):
        read_source(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train_DOT_csv"], r"expected files train and test .* got train.csv.* held out, name .*train.csv"),
        (["train_DOT_csv", "train_DOT_tsv", "test_DOT_csv"], "expected one file train, got train.csv, train.tsv"),
        (["a_DOT_csv", "b_DOT_csv"], "expected files train and test .* got a.csv, b.csv"),
        (["x__a_DOT_pdf"], "got a.pdf"),
        (["train__x__1_DOT_txt"], "expected folders train and test, got train"),
        (["train__a_DOT_csv", "train__b_DOT_csv", "test__a_DOT_csv"], "train: expected one file, or the shards of one"),
        (["a_DOT_docx"], "expected files train and test .* got a.docx"),
    ],
)
def test_what_is_not_clear_is_refused(put, files, message):
    with pytest.raises(DataError, match=message):
        read_source(put(**dict.fromkeys(files, LINES)))


@pytest.mark.parametrize("name", ["unsup", "Unlabelled"])
def test_a_folder_without_classes_beside_those_of_classes_is_left_out_and_told(put, name):
    source = read_source(put(**{"x__1_DOT_txt": "a", "y__1_DOT_txt": "b", f"{name}__1_DOT_txt": "z"}))
    assert source == TextSource([A, B], None, (f"left out: {name}",))
