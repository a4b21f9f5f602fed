"""Folders as people have them: split names, wrapping, hidden folders, links, names; one data set from many layouts."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from dropmix.data import DataError, load


@pytest.fixture
def pictures(rng):
    names = [f"{split}/{c}/{n}" for split in ("train", "test") for c in ("cat", "dog", "fox") for n in range(3)]
    return {name: rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for name in names}


def lay_out(root, pictures, train="train", test="test", ending="png"):
    for name, image in pictures.items():
        split, rest = name.split("/", 1)
        file = root / {"train": train, "test": test}[split] / f"{rest}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file, lossless=True)
    return root


def content(dataset):
    """What a data set is, whatever its files are called: split, class, pixels."""
    return sorted(
        (key, dataset.classes[label], image.tobytes())
        for key, split in (("train", dataset.train), ("test", dataset.test))
        for image, label in zip(split.images, split.labels, strict=True)
    )


TRAINS = ["train", "Training", "training_set", "TRAIN", "train-set"]
TESTS = ["test", "Testing", "test_set", "valid", "VAL", "validation", "TestSet"]


@pytest.mark.parametrize("case", range(12))
def test_one_set_of_pictures_in_any_legal_layout_is_one_data_set(tmp_path, pictures, case):
    expected = content(load("folder", lay_out(tmp_path / "plain", pictures)))
    draw = np.random.default_rng(case)
    root = tmp_path / "photos" / "/".join(["photos"] * draw.integers(0, 3))
    order = list(pictures)
    draw.shuffle(order)
    options = {"train": draw.choice(TRAINS), "test": draw.choice(TESTS), "ending": draw.choice(["png", "PNG", "webp"])}
    lay_out(root, {name: pictures[name] for name in order}, **options)
    junk = root / str(options["train"]) / "cat" / draw.choice([".ipynb_checkpoints", "__MACOSX"])
    shutil.copytree(root / str(options["train"]) / "dog", junk)
    (junk.parent / "Thumbs.db").write_bytes(b"x")
    dataset = load("folder", tmp_path / "photos")
    assert content(dataset) == expected
    assert any("1 hidden folder left out" in note for note in dataset.notes)


def test_what_is_left_out_is_said(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures)
    shutil.copytree(root / "train/cat", root / "train/.lynx")
    (root / "train/dog/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (root / "train/dog/raw.heic").write_bytes(b"x")
    shutil.copytree(root / "test", root / "val")
    notes = load("folder", root).notes
    assert "1 hidden folder left out: train/.lynx" in notes
    assert "1 broken link left out: train/dog/gone.jpg" in notes
    assert "1 split left out: val" in notes
    assert "1 file left out, of no format that is read here: .heic. Convert pictures among them to PNG or JPEG" in notes


def test_val_stands_in_for_a_test_folder_without_labels(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures, test="val")
    (root / "test").mkdir()
    shutil.copy(root / "val/cat/0.png", root / "test/0.png")
    dataset = load("folder", root)
    assert len(dataset.test) == 9
    assert dataset.test.ids[0].startswith("val/")


def test_classes_may_be_called_train_and_test(tmp_path, pictures):
    for where in ("flat", "flat/flat"):
        for name, own in (("train", "cat"), ("bus", "dog"), ("plane", "fox")):
            for n in range(3):
                (tmp_path / where / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pictures[f"train/{own}/{n}"]).save(tmp_path / where / name / f"{n}.png")
        assert load("folder", tmp_path / where).classes == ["bus", "plane", "train"]
        shutil.rmtree(tmp_path / "flat")
    renamed = {name.replace("cat", "train").replace("dog", "test"): image for name, image in pictures.items()}
    assert load("folder", lay_out(tmp_path / "split", renamed)).classes == ["fox", "test", "train"]


def test_what_cannot_be_meant_is_refused_in_one_line(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures)
    (root / "train/dog/loop").symlink_to(root / "train")
    with pytest.raises(DataError, match=r"dog/loop/\w+: expected a folder, got a link to a folder around it"):
        load("folder", root)
    (root / "train/dog/loop").unlink()
    shutil.copytree(root / "train", root / "Training")
    with pytest.raises(DataError, match="expected one folder for train, got Training and train"):
        load("folder", root)
    shutil.rmtree(root / "Training")
    os.rename(os.fsencode(root / "train/fox"), os.fsencode(root / "train") + b"/f\xfcchs")
    with pytest.raises(DataError, match=r"expected names in UTF-8, got f\\xfcchs"):
        load("folder", root)
    (tmp_path / "one").mkdir()
    shutil.copytree(root / "train/cat", tmp_path / "one/cat")
    with pytest.raises(DataError, match=r"at least 2 classes, got 'cat' alone"):
        load("folder", tmp_path / "one")


PAIRS = [
    ("train-images", "test-images"),
    ("Train_data", "val2017"),
    ("TRAIN SET", "TEST SET"),
    ("training data", "testing data"),
    ("imgs_train", "imgs_test"),
    ("seg_train/seg_train", "seg_test/seg_test"),
    ("train/images", "valid/images"),
    ("ILSVRC2012_img_train", "ILSVRC2012_img_val"),
    ("trainval", "Test_Data"),
    ("trainImages", "evaluation"),
    ("my training pictures", "the holdout"),
]


@pytest.mark.parametrize(("train", "test"), PAIRS)
def test_splits_are_told_by_words_in_their_names_and_it_is_said(tmp_path, pictures, train, test):
    dataset = load("folder", lay_out(tmp_path / "set", pictures, train=train, test=test))
    assert dataset.classes == ["cat", "dog", "fox"]
    assert {name.rpartition("/")[0].rpartition("/")[0] for name in dataset.train.ids} == {train}
    assert f"trained on {train}, tested on {test}" in dataset.notes


def test_words_of_splits_in_names_of_classes_make_no_split(tmp_path, pictures):
    for root, names in {"flat": ("freight train", "passenger train", "test tube"), "deep": ("train", "car")}.items():
        for name, own in zip(names, ("cat", "dog", "fox")):
            for n in range(3):
                file = tmp_path / root / name / ("old" if root == "deep" and name == "car" else "") / f"{n}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pictures[f"train/{own}/{n}"]).save(file)
        assert load("folder", tmp_path / root).classes == sorted(names)
    for name in ("train station", "bus station", "test tube"):  # each with a folder per camera
        for camera in ("left", "right"):
            shutil.copytree(tmp_path / "flat/test tube", tmp_path / "cameras" / name / camera)
    dataset = load("folder", tmp_path / "cameras")
    assert dataset.classes == ["bus station", "test tube", "train station"]
    assert "bus station (left, right)" in dataset.notes[0]


def test_folders_inside_classes_are_pointed_out(tmp_path, pictures):
    for name, group in (("cat", "pets"), ("dog", "pets"), ("fox", "wild")):
        for split in ("train", "test"):
            for n in range(3):
                for root in (f"grouped/{group}/{name}", f"unknown/{split}ado/{name}"):
                    (tmp_path / root).mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pictures[f"{split}/{name}/{n}"]).save(tmp_path / root / f"{split}{n}.png")
    dataset = load("folder", tmp_path / "grouped")
    assert dataset.classes == ["pets", "wild"]
    assert dataset.notes[0] == (
        "folders inside a class count as its pictures: pets (cat, dog); wild (fox). "
        "If the inner folders are the classes, move them up"
    )
    (note,) = load("folder", tmp_path / "unknown").notes
    assert note.endswith("If these are splits, rename them train and test")


FORMS = [("Cat", "cat"), ("caf\u00e9", "cafe\u0301"), ("owl ", "owl"), ("STRASSE", "stra\u00dfe")]


@pytest.mark.parametrize(("one", "other"), FORMS)
def test_a_class_spelled_differently_in_the_splits_is_one_class(tmp_path, pictures, one, other):
    root = lay_out(tmp_path / "set", pictures)
    (root / "train/cat").rename(root / "train" / one)
    (root / "test/cat").rename(root / "test" / other)
    dataset = load("folder", root)
    assert one in dataset.classes
    assert len(dataset.classes) == 3
    assert len(dataset.test) == 9
    assert "of test is taken as" in dataset.notes[0]
    assert "of train" in dataset.notes[0]


def test_classes_that_print_alike_are_refused_and_those_that_differ_in_case_are_two(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures)
    (root / "train/cat").rename(root / "train/Dog")
    (root / "test/cat").rename(root / "test/Dog")
    assert load("folder", root).classes == ["Dog", "dog", "fox"]
    flat = tmp_path / "flat"
    for name in ("\u00e9", "e\u0301", "z"):
        shutil.copytree(root / "train/dog", flat / name)
    for path in (flat, tmp_path / "split"):
        if path != flat:
            shutil.copytree(flat, path / "train")
            shutil.copytree(flat, path / "test")
        with pytest.raises(DataError, match=r"got 'e\\u0301' and '\\xe9', which print alike. Merge or rename them"):
            load("folder", path)


def test_one_visible_class_is_not_trained_on_and_the_hidden_one_is_named(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures)
    (root / "train/cat").rename(tmp_path / "a")
    (root / "train/dog").rename(tmp_path / ".b")
    shutil.rmtree(root)
    with pytest.raises(DataError, match=r"got 'a' alone \(1 hidden folder left out: .b\)"):
        load("folder", tmp_path)


def test_stray_and_hidden_pictures_and_further_folders_are_counted(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures)
    shutil.copy(root / "test/cat/0.png", root / "cover.png")
    shutil.copy(root / "test/cat/0.png", root / "train/._1.png")
    shutil.copy(root / "test/cat/0.png", root / "train/cat/._1.png")
    shutil.copytree(root / "test/cat", root / "extra/cat")
    (root / "train/owl").symlink_to(tmp_path / "nowhere")
    notes = load("folder", root).notes
    assert "1 picture outside of the class folders left out: cover.png" in notes
    assert "1 hidden picture left out: train/cat/._1.png" in notes
    assert "1 folder left out: extra" in notes
    assert "1 broken link left out: train/owl" in notes
    for name in ("train/ant", "train/bee"):
        (root / name).mkdir()
    with pytest.raises(DataError, match=r"train/ant, \S+train/bee: expected images"):
        load("folder", root)


def test_a_path_to_nothing_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"nothing: expected a folder of pictures, got nothing there. Check the path"):
        load("folder", tmp_path / "nothing")
    with pytest.raises(DataError, match="file: expected a folder of pictures, got a file"):
        load("folder", tmp_path / "file")


@pytest.mark.parametrize(
    "splits",
    [
        ("entrenamiento", "prueba"),
        ("tr", "te"),
        ("apprentissage", "test"),
        ("fold1", "fold2", "fold3"),
        ("set_a", "set_b"),
    ],
)
def test_splits_of_unknown_names_are_no_classes(tmp_path, rng, splits):
    for split in splits:
        for name in [f"{c}/{n}" for c in ("cat", "dog", "fox") for n in range(4)]:
            if (split, name[:3]) != (splits[-1], "fox"):  # a fold may lack a class
                (tmp_path / split / name).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / split / f"{name}.png")
    with pytest.raises(DataError, match=r"rename two of them train and test|expected folders train and test"):
        load("folder", tmp_path)


def test_pictures_in_folders_named_like_folds_are_remarked_on(tmp_path, rng):
    for folder, warned in (("folds", True), ("animals", False)):
        for part in ("fold1", "fold2") if warned else ("cat", "fold2"):
            (tmp_path / folder / part).mkdir(parents=True)
            for n in range(4):
                pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / folder / part / f"{n}.png")
        notes = load("folder", tmp_path / folder).notes
        assert any("named like splits or folds: fold1, fold2" in note for note in notes) == warned


def test_a_class_folder_linked_twice_is_refused(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures)
    (root / "train/wolf").symlink_to(root / "train/dog")
    with pytest.raises(DataError, match="a folder of its own for each class, got 'dog' and 'wolf' as one, by a link"):
        load("folder", root)


def test_splits_within_each_class_are_refused(tmp_path, pictures):
    for name in pictures:
        split, label, number = name.split("/")
        lay_out(tmp_path / "set", {f"train/{number}": pictures[name]}, train=f"{label}/{split}")
    with pytest.raises(DataError, match=r"splits within each class: cat \(test, train.*Turn them round: train/cat"):
        load("folder", tmp_path / "set")


@pytest.mark.parametrize(("one", "other"), [("cat", "Cat"), ("cat", "cat "), ("straße", "STRASSE")])
def test_classes_that_differ_only_by_case_or_blanks_are_told(tmp_path, pictures, one, other):
    for label in (one, other, "dog"):
        lay_out(tmp_path / "set", {f"train/{label}/{n}": image for n, image in enumerate(pictures.values())}, train=".")
    dataset = load("folder", tmp_path / "set")
    assert {one, other} <= {*dataset.classes}
    assert f"{', '.join(map(repr, sorted([one, other])))}. Merge them if they are one" in " ".join(dataset.notes)


def test_transparency_and_further_frames_are_told(tmp_path, pictures):
    root = lay_out(tmp_path / "set", pictures)
    image = Image.fromarray(pictures["train/cat/0"])
    assert not any("transparency" in note or "frames" in note for note in load("folder", root).notes)
    image.convert("RGBA").save(root / "train/cat/clear.png")
    image.convert("P").save(root / "test/dog/clear.png", transparency=0)
    image.save(root / "train/fox/moving.gif", save_all=True, append_images=[image.rotate(90)])
    image.save(root / "train/fox/jpeg.jfif", format="JPEG")
    told = " ".join((dataset := load("folder", root)).notes)
    assert "pictures with transparency: 2, e.g. cat/clear.png; the colour stored beneath" in told
    assert "pictures of several frames: 1, e.g. fox/moving.gif; the first is used" in told
    assert len(dataset.train) == 12
