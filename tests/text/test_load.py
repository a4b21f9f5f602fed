import json

import numpy as np
import pytest

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


def test_classes_of_one_split_only_are_refused(folder):
    path = folder / "test.csv"
    path.write_text(path.read_text() + "x,new\n")
    with pytest.raises(DataError, match="new only in test"):
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
