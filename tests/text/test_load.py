import json

import numpy as np
import pytest

from dropmix.cli.data_summary import data_lines
from dropmix.data.records import DataError
from dropmix.text import load_texts


@pytest.fixture
def folder(tmp_path):
    lines = [f"{word} again {word},{label}" for label, word in (("pay", "money"), ("go", "train")) for _ in range(10)]
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("text,intent\n" + "\n".join(lines) + "\n")
    return tmp_path


def test_ids_labels_and_classes(folder):
    found = load_texts("text", folder, train_per_class=4, validation=0.2)
    assert found.classes == ["go", "pay"]
    assert [len(part) for part in (found.train, found.validation, found.test)] == [8, 4, 20]
    words = found.train.words
    assert [words[k] for k in found.train.tokens[0]] == ["money", "again", "money"]
    assert found.train.labels.tolist() == [1] * 4 + [0] * 4
    assert not set(found.train.ids) & set(found.validation.ids)


def test_the_vocabulary_is_that_of_the_training_texts_alone(folder):
    path = folder / "test.csv"
    path.write_text(path.read_text() + "secret secret secret,pay\n")
    found = load_texts("text", folder)
    assert "secret" not in found.train.words
    assert found.test.tokens[-1].tolist() == [1, 1, 1]


def test_the_fingerprint_sees_every_text_and_no_path(folder, tmp_path):
    first = load_texts("text", folder).fingerprint
    assert load_texts("text", f"{folder}/.").fingerprint == first
    path = folder / "test.csv"
    path.write_text(path.read_text().replace("money again money", "money again Money", 1))
    assert load_texts("text", folder).fingerprint != first


def test_classes_to_predict_and_not_to_train_on_are_refused(folder):
    path = folder / "test.csv"
    path.write_text(path.read_text() + "x,new\nx,Pay\n")
    with pytest.raises(DataError, match=r"'Pay' \(train has 'pay'\), new only in test"):
        load_texts("text", folder)


def test_a_class_without_texts_to_predict_is_kept(folder):
    path = folder / "train.csv"
    path.write_text(path.read_text() + "x y,rare\n")
    found = load_texts("text", folder)
    assert found.classes == ["go", "pay", "rare"]
    assert "classes with fewer than 10 texts to predict, too few to judge: rare (0)" in "\n".join(data_lines(found))


def write_one(path, count=200):
    rows = [
        f"{word} number {k},{label},{k // 5}"
        for k in range(count)
        for label, word in (("pay", "money"), ("go", "train"))
    ]
    path.write_text("text,intent,author\n" + "\n".join(rows) + "\n")
    return path


def test_one_file_is_split_by_content_and_more_texts_move_none(tmp_path):
    path = write_one(tmp_path / "all.csv")
    found = load_texts("text", path)
    assert found.name == "text (test: 20% of the texts, by content)"
    assert 50 < len(found.test) < 110
    assert sorted([*found.train.ids, *found.test.ids]) == list(range(400))
    path.write_text(path.read_text() + "another one,pay,x\nmoney number 3,pay,copy\n")
    again = load_texts("text", path)
    assert set(found.test.ids) <= set(again.test.ids)
    assert set(found.train.ids) <= set(again.train.ids)
    assert (6 in again.test.ids) == (401 in again.test.ids)  # copies


def test_groups_stay_whole(tmp_path):
    path = write_one(tmp_path / "all.csv")
    for options in ({}, {"folds": 3, "fold": 1}):
        found = load_texts("text", path, group="author", **options)
        assert not {k // 10 for k in found.train.ids} & {k // 10 for k in found.test.ids}
    for name in ("train.csv", "test.csv"):
        write_one(tmp_path / name)
    path.unlink()
    with pytest.raises(DataError, match="each group on one side"):
        load_texts("text", tmp_path, group="author")


@pytest.mark.parametrize("word", ["unknown", "N/A", "none"])
def test_texts_without_a_group_are_counted(tmp_path, word):
    path = write_one(tmp_path / "all.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-3], *(line.rpartition(",")[0] + f",{word}" for line in lines[-3:])]) + "\n")
    for options in ({}, {"folds": 3, "fold": 1}):
        with pytest.raises(DataError, match=r"a group for each text, got none.* for 3 of 400: "):
            load_texts("text", path, group="author", **options)


def test_folds_predict_every_text_once_and_share_a_fingerprint(folder):
    with pytest.raises(DataError, match="something to predict in each of 4 parts, got none in 2"):  # all are copies
        load_texts("text", folder, folds=4)
    for name in ("train", "test"):
        lines = (folder / f"{name}.csv").read_text().splitlines()
        lines = [lines[0], *(f"{name}{k} {line}" for k, line in enumerate(lines[1:]))]
        (folder / f"{name}.csv").write_text("\n".join(lines))
    parts = [load_texts("text", folder, folds=4, fold=k) for k in range(4)]
    assert sorted(i for part in parts for i in part.test.ids) == list(range(40))
    assert len({part.fingerprint for part in parts}) == 1
    for part in parts:
        assert not set(part.train.ids) & set(part.test.ids)
        assert len(part.train) + len(part.test) == 40
    path = folder / "train.csv"
    path.write_text(path.read_text().replace("money", "cash", 1))
    assert load_texts("text", folder, folds=4).fingerprint != parts[0].fingerprint


def test_copies_and_texts_in_two_classes_are_told(folder):
    path = folder / "test.csv"
    path.write_text("text,intent\nmoney again money,pay\nnew,pay\ntrain again train,pay\nold,go\n")
    told = "\n".join(data_lines(load_texts("text", folder)))
    assert "warning: 2 of the texts to predict are also in train, case and blanks aside" in told
    assert "warning: 1 text stands in two classes, e.g. 'train again train'" in told


def test_copies_in_other_case_are_told(folder):
    (folder / "test.csv").write_text("text,intent\n Money  AGAIN money,pay\nnew,pay\nold,go\n")
    assert "1 of the texts to predict are also in train" in "\n".join(data_lines(load_texts("text", folder)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{bad", "domains.json: expected JSON, got Expecting property name"),
        ('{"pay": "bank", "go": "road"}', r"expected an object \{domain: \[classes\]\}"),
        ('{"bank": ["pay"]}', "expected a domain of every class, got none of go"),
    ],
)
def test_domains_that_do_not_fit_are_refused(folder, content, message):
    (folder / "domains.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_texts("text", folder)


def test_a_test_file_without_labels_is_told(folder):
    path = folder / "test.csv"
    path.write_text("text,intent\na,-1\nb,-1\n")
    with pytest.raises(DataError, match="If -1 means that test has no labels, remove that file"):
        load_texts("text", folder)
    path.write_text("text\na\nb\n")
    with pytest.raises(DataError, match="or leave out a file without labels"):
        load_texts("text", folder)


def test_clincs_layout_and_domains(tmp_path):
    rows = [["a b", "x"], ["b a", "y"]] * 3
    (tmp_path / "data_full.json").write_text(
        json.dumps({"train": rows, "val": rows, "test": rows, "oos_test": [["q", "oos"]]})
    )
    (tmp_path / "domains.json").write_text(json.dumps({"home": ["x"], "work": ["y", "z"]}))
    found = load_texts("clinc150", tmp_path)
    assert found.superclasses == ["home", "work"]
    assert len(found.test) == 6
    assert np.array_equal(found.test.ids, np.arange(6))


def test_numbers_are_sorted_as_numbers(tmp_path):
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "".join(f"word,{k}\n" for k in range(12)))
    assert load_texts("text", tmp_path).classes == [str(k) for k in range(12)]
