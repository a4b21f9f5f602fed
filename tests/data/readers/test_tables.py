"""Classes and groups from a table beside the pictures, or from their names."""

import csv
import re

import numpy as np
import pytest
from PIL import Image

from dropmix.audit.inputs.given import UNKNOWN
from dropmix.data import DataError, load
from dropmix.data.readers.cells import read_table
from dropmix.data.readers.tables import groups_of, labels_of
from dropmix.data.stratify import NO_GROUP

COUNT = 20


def kind(n: int) -> str:
    return ("nv", "mel", "bcc, other")[n % 3]


@pytest.fixture
def put(tmp_path, rng):
    """Write 20 pictures below a folder, whose names are given as a pattern."""

    def write(pattern: str, first: int = 0) -> None:
        for n in range(first, first + COUNT):
            file = tmp_path / pattern.format(n=n, k=kind(n)[:2])
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(file)

    return write


def write_table(file, head, rows, separator=",", encoding="utf-8"):
    with file.open("w", newline="", encoding=encoding) as stored:
        writer = csv.writer(stored, delimiter=separator)
        writer.writerows([head, *rows])
    return file


def classes_by_number(dataset):
    """Class of each picture by the number in its name."""
    return {
        int("".join(filter(str.isdigit, name.rpartition("/")[2]))): dataset.classes[label]
        for split in (dataset.train, dataset.test)
        for name, label in zip(split.ids.tolist(), split.labels.tolist(), strict=True)
    }


@pytest.mark.parametrize("case", range(24))
def test_one_table_in_any_legal_form_gives_the_same_classes(tmp_path, put, case):
    rng = np.random.default_rng([5, case])
    pick = lambda *options: options[int(rng.integers(len(options)))]  # noqa: E731
    put(pick("ISIC_{n}.png", "images/ISIC_{n}.png", "images/a/ISIC_{n}.PNG"))
    name = pick("{path}", "./{path}", "{back}", "{file}", "{stem}", " {file} ", "{pathstem}")
    files = {int(path.stem[5:]): path for path in tmp_path.rglob("*.*")}
    rows = []
    for n in rng.permutation(COUNT).tolist():
        path = files[n].relative_to(tmp_path).as_posix()
        cell = name.format(
            path=path,
            back=path.replace("/", "\\"),
            file=files[n].name,
            stem=files[n].stem,
            pathstem=path.rpartition(".")[0],
        )
        rows.append([f"L{n // 2}", cell, kind(n), "histo"])
    head = ["lesion_id", pick("image_id", "Filename", ""), pick("dx", "Label", "CLASS "), "dx_type"]
    order = rng.permutation(4)
    table = write_table(
        tmp_path / pick("labels.csv", "labels.TSV"),
        [head[i] for i in order],
        [[row[i] for i in order] for row in rows],
        pick(",", ";", "\t", "|"),
        pick("utf-8", "utf-8-sig", "utf-16"),
    )
    given = pick(table.name, str(table), f"{table.name}:{head[2].strip()}")
    dataset = load("folder", tmp_path, labels=given, split=pick("seed", "hash"))
    assert classes_by_number(dataset) == {n: kind(n) for n in range(COUNT)}
    assert dataset.notes == ()


def test_groups_come_from_a_column_too(tmp_path, put):
    put("part_1/i{n}.png")
    put("part_2/i{n}.png", COUNT)
    rows = [[f"L{n // 4}", f"i{n}", kind(n)] for n in range(2 * COUNT)]
    write_table(tmp_path / "meta.csv", ["lesion_id", "image", "dx"], rows)
    dataset = load("folder", tmp_path, labels="meta.csv", group="meta.csv:lesion_id")
    lesions = [{int(name.split("/i")[1][:-4]) // 4 for name in split.ids} for split in (dataset.train, dataset.test)]
    assert not lesions[0] & lesions[1]
    assert len(lesions[0] | lesions[1]) == 10


@pytest.mark.parametrize("word", ["unknown", " NA", "-", "?", "None", "", "missing"])
def test_pictures_whose_group_is_unknown_are_no_group(tmp_path, put, word):
    put("part/i{n}.png")
    rows = [[word if n < 5 else f"L{n}", f"i{n}", kind(n)] for n in range(COUNT)]
    write_table(tmp_path / "meta.csv", ["lesion_id", "image", "dx"], rows)
    told = f" \\({re.escape(word.strip().casefold())}\\)" if word else ""
    told = rf"data\.group: expected a group for each picture, got none{told} for 5 of 20: part/i"
    for more in ({}, {"validation": 0.3}, {"folds": 2, "fold": 0}):
        with pytest.raises(DataError, match=told):
            load("folder", tmp_path, labels="meta.csv", group="meta.csv:lesion_id", **more)


def test_folders_and_patterns_that_say_unknown_give_no_group(tmp_path, put):
    put("{k}/p{n}/x.png")
    put("{k}/Unknown/i{n}.png", COUNT)
    for group in ("folder", r"(Unknown|p\d+)/"):
        with pytest.raises(DataError, match=r"got none \(unknown\) for 20 of 40"):
            load("folder", tmp_path, group=group)


def test_the_words_for_no_group_are_those_of_an_audit():
    assert NO_GROUP == UNKNOWN


def test_a_column_of_0_and_1_per_class_gives_the_class(tmp_path, put):
    put("i{n}.png")
    rows = [[f"i{n}", *(f"{float(n % 3 == k)}" for k in range(3))] for n in range(COUNT)]
    write_table(tmp_path / "truth.csv", ["image", "MEL", " NV", "BCC"], rows)
    found = classes_by_number(load("folder", tmp_path, labels="truth.csv"))
    assert found == {n: ("MEL", "NV", "BCC")[n % 3] for n in range(COUNT)}
    rows[3][1:] = ["1", "1", "0"]
    write_table(tmp_path / "truth.csv", ["image", "MEL", " NV", "BCC"], rows)
    with pytest.raises(DataError, match=r"one column beside 'image', or 'label', got image, MEL, NV and 1 more. Name"):
        load("folder", tmp_path, labels="truth.csv")


def test_classes_in_names_and_the_folders_of_a_split(tmp_path, put):
    put("all/train/{k}.{n}.png")
    dataset = load("folder", tmp_path / "all", labels=r"([a-z]+)\.\d+")
    assert dataset.classes == ["bc", "me", "nv"]
    assert len(dataset.train) + len(dataset.test) == COUNT
    put("all/val/{k}.{n}.png", COUNT)
    dataset = load("folder", tmp_path / "all", labels=r"([a-z]+)\.\d+")
    assert (len(dataset.train), len(dataset.test)) == (COUNT, COUNT)
    assert all(name.startswith("val/") for name in dataset.test.ids)
    assert "trained on the pictures in folders named train and tested on those in validation" in dataset.notes


def test_numbers_are_in_order_and_pictures_without_a_label_are_counted(tmp_path, put):
    put("i{n}.png")
    write_table(tmp_path / "t.csv", ["id", "label"], [[f"i{n}", [1, 2, 10][n % 3] if n else ""] for n in range(18)])
    dataset = load("folder", tmp_path, labels="t.csv")
    assert dataset.classes == ["1", "2", "10"]
    assert dataset.notes == ("3 pictures without a label left out: i0.png, i18.png, i19.png",)


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        (
            "part_1/i{n}.png",
            r"got part_1, part_2. t.csv names 40 of the 40 pictures. Give --data",
        ),
        ("images/i{n}.png", r"got images. t.csv names 20 of the 20 pictures. Give --data"),
        ("i{n}.png", r"got none. t.csv names 20 of the 20 pictures. Give --data"),
        (
            "train/i{n}.png",
            r"train: expected folders of images.* t.csv names 20 of the 20 pictures. Give",
        ),
    ],
)
def test_a_table_that_could_give_the_classes_is_pointed_at(tmp_path, put, layout, told):
    put(layout)
    if "part" in layout:
        put("part_2/i{n}.png", COUNT)
    write_table(tmp_path / "t.csv", ["id", "dx"], [[f"i{n}", kind(n)] for n in range(2 * COUNT)])
    with pytest.raises(DataError, match=told) as caught:
        load("folder", tmp_path)
    words = str(caught.value).split(" Give ")[1].rstrip(".").split()
    data, labels = words[1], words[3].partition("=")[2]
    assert load("folder", data, labels=labels).classes == ["bcc, other", "mel", "nv"]  # the advice works as it stands


def test_a_table_beside_class_folders_is_no_reason_to_refuse_them(tmp_path, put):
    put("{k}/i{n}.png")
    write_table(tmp_path / "t.csv", ["id", "width"], [[f"i{n}", 6] for n in range(COUNT)])
    assert load("folder", tmp_path).classes == ["bc", "me", "nv"]


def test_archives_to_unpack_and_names_to_read_are_pointed_at(tmp_path, put):
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/photos.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"got none. Unpack photos.zip, and name the folder"):
        load("folder", tmp_path / "packed")
    put("named/{k}.{n}.png")
    with pytest.raises(DataError, match=r"data.labels=PATTERN find the class in names such as bc.11.png"):
        load("folder", tmp_path / "named")


IDS = np.array(["a/1.png", "b/2.png", "b/3.png", "b/1.png"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("name,label\n1,x\n2,y\n", "names of one picture each, got 1 for 2 of them. Give paths"),
        ("name,label\n2,x\n2,y\n", "expected one value for each picture, got two for 2. Give full paths"),
        ("name,label\n7,x\n8,y\n", "expected a column that names the pictures, such as a/1.png, got name, label"),
        ("name,label\n2\n", "expected 2 cells in each row, got 1 in row 2"),
        ("name,name\n2,x\n", "expected columns of different names, got two of 'name'"),
        ("name,a,b\n2,x,y\n", r"one column beside 'name', or 'label', got name, a, b. Name one, as in t.csv:a"),
        ("name,label\n", "expected a header and rows, got 1 rows"),
        ("", "expected a header and rows, got 0 rows"),
        ('name,label\n2,"x\n', "expected a CSV file with a header, in UTF-8, got a stray quote in .* line 2. Check"),
        ('name,label\n2,"x\n3,y\n"1,z\n', "got a stray quote in the row that begins in line 2. Check"),
        ('name,label\n2,"x\n3,y"\n', "expected one row per line, got '2,x"),
        ("name,label\n2,\n3,\n", "expected a class for pictures such as a/1.png, got none"),
    ],
)
def test_tables_that_cannot_be_meant_are_refused(tmp_path, content, told):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=told):
        labels_of(str(tmp_path / "t.csv"), IDS)


def test_what_is_no_table_or_pattern_is_refused(tmp_path):
    for given, told in (
        ("none.csv", "none.csv: expected a CSV file with a header, in UTF-8, got no file there"),
        ("(", r"data.labels: expected a regular pattern, got '\('"),
        ("folder", "data.labels: expected a table or a pattern, got folder"),
    ):
        with pytest.raises(DataError, match=told):
            labels_of(given, IDS)
    (tmp_path / "t.csv").write_bytes("name,label\n2,\xe9\n".encode("latin-1"))
    with pytest.raises(DataError, match="in UTF-8, got another encoding"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(DataError, match="no file there"):
        groups_of("/dev/zero.csv", IDS)
    with pytest.raises(DataError, match=r"data.labels: expected a folder of pictures, got digits. Leave it out"):
        load("digits", None, labels="t.csv")
