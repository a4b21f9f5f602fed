"""Folders with copies of themselves, debris of systems and clouds, links, and splits that are none."""

import os
import re

import numpy as np
import pytest
from PIL import Image

from dropmix.data import DataError, load
from dropmix.data.readers.tables import groups_of

CLASSES = ("cat", "dog", "fox")


@pytest.fixture
def put(tmp_path, rng):
    def write(*folders, count=4):
        for folder in folders:
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            for n in range(count):
                Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(tmp_path / folder / f"{n}.png")

    return write


def of(top, *inner):
    return [f"{top}/{name}" for name in (inner or CLASSES)]


@pytest.mark.parametrize(
    ("folders", "copies"),
    [
        ([*CLASSES, *of("pets")], ["pets"]),
        (["yes", "no", *of("brain_tumor_dataset", "yes", "no")], ["brain_tumor_dataset"]),
        ([*of("cells"), *of("cells/cells")], ["cells"]),
        ([*of("train"), *of("test"), *of("set/train"), *of("set/test")], ["set"]),
        ([*of("train"), *of("test"), *of("train/train")], ["train/train"]),
        ([*CLASSES, *of("one"), *of("two")], ["one", "two"]),
    ],
)
def test_a_copy_of_the_whole_inside_it_is_no_class(tmp_path, put, folders, copies):
    put(*folders)
    dataset = load("folder", tmp_path)
    assert dataset.classes == sorted({folder.rpartition("/")[2] for folder in folders} - {"train", "test"} - {"cells"})
    count = f"{len(copies)} folder{'s' * (len(copies) > 1)} with the same folders once more left out: "
    assert f"{count}{', '.join(copies)}" in dataset.notes


def test_folders_of_other_names_or_beside_pictures_stay_classes(tmp_path, put):
    put("left", "right", "both/left", "both/up", "all", "all/left", "all/right")
    assert load("folder", tmp_path).classes == ["all", "both", "left", "right"]


DEBRIS = ["Thumbs.db", "desktop.ini", "ehthumbs.db", "Picasa.ini", "Icon\r", "~$labels.xlsx", ".DS_Store", "._1.png"]
HIDDEN = ["$RECYCLE.BIN", "lost+found", "#recycle", "@eaDir", "__MACOSX", ".Trash-1000", "@Recycle", "found.000"]


@pytest.mark.parametrize("top", ["", "train/"])
def test_debris_of_systems_is_no_picture_and_no_class(tmp_path, put, top):
    put(*of("train"), *of("test")) if top else put(*CLASSES)
    plain = load("folder", tmp_path)
    for folder in [path for path in tmp_path.rglob("*") if path.is_dir()]:
        for name in DEBRIS:
            (folder / name).write_bytes(b"x")
    put(*(f"{top}{name}/cat" for name in HIDDEN), *(f"{top}cat/{name}" for name in HIDDEN))
    dataset = load("folder", tmp_path)
    assert dataset.classes == [*CLASSES]
    assert dataset.fingerprint == plain.fingerprint
    assert any(note.startswith("16 hidden folders left out: ") for note in dataset.notes)
    assert not any("no format" in note for note in dataset.notes)


def test_pictures_that_a_cloud_holds_back_are_counted_or_refused(tmp_path, put):
    put(*CLASSES)
    (tmp_path / "cat/.7.jpg.icloud").write_bytes(b"bplist00")
    assert "1 picture that iCloud has not downloaded left out: cat/.7.jpg.icloud" in load("folder", tmp_path).notes
    (tmp_path / "cat/8.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"cat/8.jpg: expected a picture that Pillow can read, got an empty file"):
        load("folder", tmp_path)


@pytest.mark.parametrize(
    ("folders", "told"),
    [
        ([*of("train"), "test/test"], r"test: expected folders of images.* got test alone, no class of train. Sort"),
        ([*of("train"), "val/images"], "val: expected folders of images.* got images alone, no class of train"),
        (["train/images", "valid/images"], "train: expected folders of at least 2 classes, got 'images' alone"),
        (["JPEGImages", "SegmentationClass"], "got 'JPEGImages' alone .4 masks left out"),
        (
            [*of("asl_train/asl_train"), "asl_test/asl_test"],
            "splits with folders of the same classes, got asl_test, asl_train, whose folders differ. Name",
        ),
        ([*of("New Set/train"), *of("New Set/valid"), "test/test"], r"got New Set, test. Name \S+/New Set, which has"),
    ],
)
def test_splits_without_classes_are_no_classes(tmp_path, put, folders, told):
    put(*folders)
    with pytest.raises(DataError, match=told):
        load("folder", tmp_path)


@pytest.mark.parametrize("inside", ["test", "unknown", "images", "test/test"])
def test_val_stands_in_for_a_test_split_whose_only_folder_is_no_class(tmp_path, put, inside):
    put(*of("train"), *of("val"), f"test/{inside}")
    dataset = load("folder", tmp_path)
    assert {name.partition("/")[0] for name in dataset.test.ids} == {"val"}
    assert "1 split left out: test" in dataset.notes


def test_links_of_people(tmp_path, put):
    put(*of("v1/train"), *of("v1/test"), *of("store"))
    (tmp_path / "latest").symlink_to("v1")
    assert load("folder", tmp_path / "latest").classes == [*CLASSES]
    with pytest.raises(DataError, match=r"got 'latest' and 'v1' as one, by a link. Remove the link"):
        load("folder", tmp_path)
    (tmp_path / "set").mkdir()
    for name in CLASSES:
        (tmp_path / "set" / name).symlink_to(f"../store/{name}")
    assert load("folder", tmp_path / "set").classes == [*CLASSES]
    (tmp_path / "both").mkdir()
    for split in ("train", "test"):
        (tmp_path / "both" / split).symlink_to("../store")
    with pytest.raises(DataError, match=r"expected train and test with pictures of their own, got one folder, by a"):
        load("folder", tmp_path / "both")


def test_long_paths_and_names_at_the_limit(tmp_path, put):
    put(*(f"{'d' * 250}/{'e' * 250}/{name}{'é' * 120}" for name in CLASSES))
    dataset = load("folder", tmp_path)
    assert [name[:3] for name in dataset.classes] == [*CLASSES]
    assert len(os.fsencode(dataset.classes[0])) == 243


def test_folds_take_classes_that_only_test_has(tmp_path, put):
    put(*of("train"), *of("test"), "test/owl")
    with pytest.raises(DataError, match="got owl only in test"):
        load("folder", tmp_path)
    parts = [load("folder", tmp_path, folds=2, fold=fold) for fold in (0, 1)]
    assert [part.classes for part in parts] == [[*CLASSES, "owl"]] * 2
    assert sum(int((part.test.labels == 3).sum()) for part in parts) == 4


@pytest.mark.parametrize("above", [(), ("train", "test")])
def test_archives_and_data_files_beside_class_folders_are_named(tmp_path, put, above):
    put(*(f"{top}/{name}" for top in above or (".",) for name in CLASSES))
    for name in ("more.parquet", "photos.zip", "notes.txt"):
        (tmp_path / (above or (".",))[0] / name).touch()
    notes = load("folder", tmp_path).notes
    told = [note for note in notes if note.startswith("2 archives or data files beside the class folders left out: ")]
    assert len(told) == 1
    assert told[0].endswith("more.parquet, photos.zip" if not above else "train/more.parquet, train/photos.zip")


def below(outer, inner=("cat", "dog")):
    return [f"{one}/{other}" for one in outer for other in inner]


PATIENTS = {
    "numbers": below([f"patient{i}" for i in range(1, 7)]),
    "leading zeros": below(["P001", "P002", "P003"]),
    "letters": below(["hospitalA", "hospitalB", "hospitalC"]),
    "letters apart": below(["site_a", "site_b"]),
    "dates": below(["2024-05-01", "2024-05-02"]),
    "ids alone, classes as numbers": below(["8863", "8864", "9001"], "01"),
    "a class of some": ["s1/cat", "s1/dog", "s2/cat", "s3/cat", "s3/dog"],
    "one diagnosis each": ["case 1/cat", "case 2/dog", "case 3/cat", "case 4/dog"],
    "wrapped": [f"photos/{name}" for name in below(["patient1", "patient2"])],
    "within splits": [f"{split}/{name}" for split in ("train", "test") for name in below(["p1", "p2"])],
}


@pytest.mark.parametrize("folders", PATIENTS.values(), ids=PATIENTS)
def test_patients_that_hold_the_classes_are_no_classes_and_the_settings_named_read_both(tmp_path, put, folders):
    put(*folders)
    with pytest.raises(DataError, match=r"expected a folder per class, got .* folders of the same names") as caught:
        load("folder", tmp_path)
    inner, group, outer = re.findall(r"--set 'data\.\w+=(.+?)'", str(caught.value))
    dataset = load("folder", tmp_path, labels=inner)
    assert dataset.classes == sorted({name.rpartition("/")[2] for name in folders})
    assert len(dataset.train.labels) + len(dataset.test.labels) == 4 * len(folders)
    assert load("folder", tmp_path, labels=outer).classes == sorted({name.split("/")[-2] for name in folders})
    assert {name.split("/")[-2] for name in folders} == {
        *groups_of(group, dataset.train.ids),
        *groups_of(group, dataset.test.ids),
    }


@pytest.mark.parametrize(
    "folders",
    [
        below(["class1", "class2"]),
        below(["Grade_1", "Grade_2", "Grade_3"], ["left", "right"]),
        below(["cat", "dog"], ["p1", "p2", "p3"]),
        below("01", ["w1", "w2", "w3"]),
        ["cat/p1", "cat/p2", "dog/p3", "dog/p4"],
        ["x1/a", "x1/b", "x2/c", "x2/d"],
    ],
)
def test_folders_within_classes_stay_pictures_of_the_class(tmp_path, put, folders):
    put(*folders)
    dataset = load("folder", tmp_path)
    assert dataset.classes == sorted({name.partition("/")[0] for name in folders})
    assert "folders inside a class count as its pictures" in " ".join(dataset.notes)


@pytest.mark.parametrize(
    "outer",
    [
        "训练集 测试集",
        "обучение тест",
        "学習 テスト",
        "raw processed",
        "original augmented",
        "gallery query",
        "Original Resized Cropped",
    ],
)
def test_splits_in_other_scripts_and_copies_of_one_set_are_no_classes(tmp_path, put, outer):
    put(*below(outer.split()))
    with pytest.raises(DataError, match=r"which all hold cat, dog\. Name one: ") as caught:
        load("folder", tmp_path)
    named = str(caught.value).split("Name one: ")[1].partition(". Or")[0]
    assert load("folder", named).classes == ["cat", "dog"]


def test_two_data_sets_in_one_folder_are_told_apart(tmp_path, put):
    put(*[f"{one}/{split}/{name}" for one in ("pets", "wild") for split in ("train", "test") for name in CLASSES])
    with pytest.raises(DataError, match=rf"got pets, wild, each with splits of its own\. Name one: {tmp_path}/pets\."):
        load("folder", tmp_path)
    assert load("folder", tmp_path / "pets").classes == [*CLASSES]
