"""Tables of other machines and programs: how they name pictures, missing values, columns of splits, other files."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from dropmix.data import DataError, load

CLASSES = ("cat", "dog", "fox")


@pytest.fixture
def put(tmp_path, rng):
    def write(names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(tmp_path / name)

    return write


def found(dataset):
    return {
        str(name): dataset.classes[label]
        for split in (dataset.train, dataset.test)
        for name, label in zip(split.ids, split.labels, strict=True)
    }


@pytest.mark.parametrize(
    ("file", "cell"),
    [
        ("images/{n}.jpg", "/home/anna/set/images/{n}.jpg"),
        ("images/{n}.jpg", "C:\\Users\\Anna\\set\\images\\{n}.jpg"),
        ("images/{n}.jpg", "gs://bucket/2024/images/{n}.jpg"),
        ("images/8f3a-photo {n}.jpg", "/data/upload/1/8f3a-photo%20{n}.jpg"),
        ("images/{n:04d}.JPG", "{n:04d}.jpg"),
        ("images/{n:04d}.jpg", "{n}"),
        ("images/{n}.jpg", "{n}.0"),
        ("images/" + unicodedata.normalize("NFD", "é") + "{n}.jpg", "é{n}.jpg"),
        ("a/{n}.jpg", "/elsewhere/a/{n}.jpg"),
    ],
)
def test_pictures_are_found_as_other_programs_name_them(tmp_path, put, file, cell):
    names = [file.format(n=n) for n in range(12)]
    put(names)
    rows = [f"{n},{cell.format(n=(n + 5) % 12)},{CLASSES[(n + 5) % 3]}" for n in range(12)]  # n: the row, no name
    (tmp_path / "t.csv").write_text("id,image,label\n" + "\n".join(rows))
    assert found(load("folder", tmp_path, labels="t.csv")) == {name: CLASSES[n % 3] for n, name in enumerate(names)}


def test_an_ambiguous_end_of_a_path_names_no_picture(tmp_path, put):
    put([f"{part}/{n}.jpg" for part in ("a", "b") for n in range(6)])
    rows = [f"/home/{part}/{n}.jpg,{CLASSES[n % 3]}{part}" for part in ("a", "b") for n in range(6)]
    (tmp_path / "t.csv").write_text("image,label\n" + "\n".join(rows))
    assert found(load("folder", tmp_path, labels="t.csv"))["a/4.jpg"] == "doga"
    (tmp_path / "t.csv").write_text("image,label\n" + "\n".join(row.replace("/home/", "/x") for row in rows))
    with pytest.raises(DataError, match=r"expected a column that names the pictures, such as a/0.jpg"):
        load("folder", tmp_path, labels="t.csv")


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("image,label,", "{n}.jpg,{c},"),
        ("image,label,,", "{n}.jpg,{c},,"),
        (",,image,label", "{n},{n},{n}.jpg,{c}"),
        ("image, label", "{n}.jpg, {c}"),
        ('"image", "label"', '"{n}.jpg", "{c}"'),
        ('"image";"label"', '"{n}.jpg";"{c}"'),
        ("number,image,label", "{m},{n}.jpg,{c}"),
        ("label,image_id", "{c},{n}"),
    ],
)
@pytest.mark.parametrize("names", [CLASSES, ("0", "1", "2"), ("0.0", "1.0", "2.0")])
def test_columns_that_nobody_needs_and_class_numbers_name_no_pictures(tmp_path, put, head, row, names):
    put([f"{n}.jpg" for n in range(12)])
    rows = [row.format(n=n, m=11 - n, c=names[n % 3]) for n in range(12)]
    (tmp_path / "t.csv").write_text("\ufeff" + head + "\r\n" + "\r\n".join(rows) + "\r\n", newline="")
    got = found(load("folder", tmp_path, labels="t.csv"))
    assert got == {f"{n}.jpg": names[n % 3].removesuffix(".0") for n in range(12)}


@pytest.mark.parametrize("gap", ["", "nan", "NaN", "<NA>"])
def test_missing_values_are_no_class_and_are_counted(tmp_path, put, gap):
    put([f"{n}.jpg" for n in range(12)])
    rows = [f"{n}.jpg,{gap if n == 7 else CLASSES[n % 3]}" for n in range(12)]
    (tmp_path / "t.csv").write_text("image,label\n" + "\n".join(rows))
    dataset = load("folder", tmp_path, labels="t.csv")
    assert dataset.classes == [*CLASSES]
    assert dataset.notes == ("1 picture without a label left out: 7.jpg",)


@pytest.mark.parametrize(("column", "words"), [("split", "train val test"), ("Subset", "Training Validation Testing")])
def test_a_column_of_splits_is_followed_and_said(tmp_path, put, column, words):
    put([f"{n}.jpg" for n in range(18)])
    split = words.split()
    rows = [f"{n}.jpg,{CLASSES[n % 3]},{split[n // 3 % 3]}" for n in range(18)]
    (tmp_path / "t.csv").write_text(f"image,label,{column}\n" + "\n".join(rows))
    dataset = load("folder", tmp_path, labels="t.csv")
    assert {*dataset.train.ids} == {f"{n}.jpg" for n in range(18) if n // 3 % 3 == 0}
    assert {*dataset.test.ids} == {f"{n}.jpg" for n in range(18) if n // 3 % 3 == 2}
    assert dataset.notes[1] == "6 pictures of other splits left out"
    assert dataset.notes[0].endswith("t.csv says what is trained on (train) and tested on (test)")
    (tmp_path / "t.csv").write_text(f"image,label,{column}\n" + "\n".join(r.replace(split[2], "north") for r in rows))
    assert "by seed" in load("folder", tmp_path, labels="t.csv").name  # no splits, then


@pytest.mark.parametrize("name", ["t.xlsx", "t.json", "t.txt", "t.parquet", "t.csv.gz", "t.xlsx:dx"])
def test_tables_of_other_kinds_are_told_and_no_patterns(tmp_path, put, name):
    put([f"{n}.jpg" for n in range(4)])
    with pytest.raises(DataError, match=f"{name}: expected a table as CSV or TSV, got another kind of file. Save it"):
        load("folder", tmp_path, labels=name)


def test_the_table_that_names_most_pictures_is_pointed_at(tmp_path, put):
    put([f"train/{n:04d}.jpg" for n in range(12)])
    (tmp_path / "a_submission.csv").write_text("image_id,label\n9.jpg,4\n")
    (tmp_path / "train.csv").write_text("image_id,label\n" + "".join(f"{n:04d}.jpg,{n % 3}\n" for n in range(12)))
    with pytest.raises(DataError, match=r"train.csv names 12 of the 12 pictures"):
        load("folder", tmp_path)


def one_hot(names):
    """A table as Roboflow writes it, with the class of each picture by its number."""
    rows = [f"{name},{','.join(str(int(k == i % 3)) for k in range(3))}" for i, name in enumerate(names)]
    return "\n".join(["filename, cat, dog, fox", *rows, ""])


def with_class(names):
    return "\n".join(["image,label", *(f"{name},{CLASSES[i % 3]}" for i, name in enumerate(names)), ""])


@pytest.mark.parametrize("table", [one_hot, with_class])
@pytest.mark.parametrize("file", ["_classes.csv", "labels.CSV"])
@pytest.mark.parametrize(
    "splits", [("train", "test"), ("train", "valid"), ("train", "valid", "test"), ("set/train", "set/test")]
)
@pytest.mark.parametrize("same", [True, False])
def test_a_table_in_each_split_is_read_for_the_pictures_there(tmp_path, put, table, file, splits, same):
    names = {split: [f"{'' if same else split.replace('/', '')}{i}.jpg" for i in range(9)] for split in splits}
    for place, (split, inside) in enumerate(names.items()):
        put([f"{split}/{name}" for name in inside])
        (tmp_path / split / file).write_text(table(inside[place:] + inside[:place]))
    if not splits[0].startswith("set"):
        with pytest.raises(DataError, match=rf"Give --data {tmp_path} --set data\.labels={file}\."):
            load("folder", tmp_path)
    dataset = load("folder", tmp_path, labels=file)
    expected = {
        f"{split}/{name}": CLASSES[(i - place) % 3]
        for place, (split, inside) in enumerate(names.items())
        for i, name in enumerate(inside)
    }
    rest = {name: one for name, one in expected.items() if len(splits) == 3 and name.startswith("valid/")}
    assert found(dataset) == {name: one for name, one in expected.items() if name not in rest}
    for part, split in ((dataset.train, splits[0]), (dataset.test, splits[-1])):
        assert {str(name).rpartition("/")[0] for name in part.ids} == {split}
    assert not rest or "9 of other splits left out" in " ".join(dataset.notes)


def test_a_picture_that_the_table_beside_it_lacks_is_told(tmp_path, put):
    for split in ("train", "test"):
        put([f"{split}/{i}.jpg" for i in range(10)])
        (tmp_path / split / "_classes.csv").write_text(one_hot([f"{i}.jpg" for i in range(9)]))
    dataset = load("folder", tmp_path, labels="_classes.csv")
    assert "2 pictures without a label left out: test/9.jpg, train/9.jpg" in dataset.notes
