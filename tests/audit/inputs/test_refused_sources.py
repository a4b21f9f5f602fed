"""What is wrong with a source is said in one line."""

import numpy as np
import pytest

from dropmix.audit import AuditError, audit_predictions
from dropmix.audit.inputs.sources import read

GOOD = {"labels": [0, 1, 2], "pred": [0, 1, 1], "example_id": [1, 2, 3]}
FAULTS = {
    "label outside": ({"labels": [0, 1, 7], "classes": ["a", "b", "c"]}, "expected label in 0..2, got 7"),
    "negative label": ({"labels": [0, -1, 2]}, "got -1"),
    "huge label": ({"labels": [0, 1, 2**31 - 1]}, "expected label in 0..99999"),
    "label differs": ({"labels": [0, 1, 1]}, "differing ones for example_id 3"),
    "id missing": ({"example_id": [1, 2, 4]}, "example_id 3"),
    "id twice": ({"example_id": [1, 2, 2]}, "duplicates: 2"),
    "id type": ({"example_id": ["1", "2", "c"]}, r"got 1 missing, example_id 3\."),
    "ids unlike": ({"example_id": ["1.jpg", "2.jpg", "3.jpg"]}, r"None is in both \(there: 1.jpg, 2.jpg, 3.jpg\)"),
    "ids alike": ({"example_id": ["1", "01", "3"]}, "example_id 2"),
    "id null": ({"example_id": ["1", None, "3"]}, "mixed types"),
    "nan probability": ({"p_true": [0.1, np.nan, 0.3]}, r"p_true in \[0, 1\], got NaN"),
    "logits": ({"probs": [[3.0, -1.0, 2.0]] * 3}, "Apply softmax"),
    "shape": ({"pred": [0, 1]}, "with one N"),
    "ragged": ({"pred": [[0, 1, 2], [0, 1]]}, "one regular array"),
    "fractions": ({"labels": [0.0, 1.5, 2.0]}, "integer type"),
    "nan": ({"labels": [0.0, np.nan, 2.0]}, "without gaps, got 1 NaN"),
    "empty": ({"labels": [], "pred": [], "example_id": []}, "integer type|at least one"),
    "unknown key": ({"confidences": [1]}, "got 'confidences'"),
    "class list differs": ({"classes": ["a", "b", "z"]}, "example_id 3 .the first: c and z"),
    "seeds twice": ({"pred": [[0, 1, 1]] * 2, "seeds": [3, 3]}, "different seeds"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_one_clear_line(fault):
    change, message = FAULTS[fault]
    good = GOOD | {"classes": ["a", "b", "c"]} if fault == "class list differs" else GOOD
    with pytest.raises(AuditError, match=message) as caught:
        audit_predictions(good, GOOD | change, refits=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"", "got an empty file"),
        ("a.parquet", b"PAR1garbage", "readable parquet"),
        ("a.csv", b"label,pred\n", "no rows"),
        ("a.csv", b"label\n1\n", "expected columns label and pred"),
        ("a.csv", b"label,pred\n1,x\n", "one type"),
        ("a.csv", b"label,pred\n1,\n", "without gaps"),
        ("a.csv", b"label,pred,pred\n1,1,1\n", "each column once"),
        ("a.csv", b"label,pred\n1,\xff\xfe\n", "got byte 0xff in line 2"),
        ("a.npz", b"PK\x03\x04", "readable npz"),
        ("a.xlsx", b"PK", "got '.xlsx'"),
    ],
)
def test_bad_file(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AuditError, match=message):
        read(tmp_path / name, "x")


def test_missing_file(tmp_path):
    with pytest.raises(AuditError, match="got nothing there"):
        read(tmp_path / "none.parquet", "x")


def test_pickled_npz_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", labels=np.array([{}], dtype=object), pred=np.array([1]))
    with pytest.raises(AuditError, match="without pickled objects"):
        read(tmp_path / "a.npz", "x")


def test_a_data_set_saved_to_disk_is_told_how_to_become_a_file(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for file in ("data-00000-of-00001.arrow", "state.json", "dataset_info.json"):
            (tmp_path / name / file).write_text("{}")
    with pytest.raises(AuditError, match=r"a: expected .*save_to_disk wrote\. Save it as parquet \(load_from_disk"):
        audit_predictions(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("label", "pred", "classes"),
    [
        (["cat", "none", "dog", "none"], ["none", "none", "dog", "cat"], None),
        (["3", "other", "3", "other"], ["3", "3", "3", "3"], None),
        (["cat", "3d", "3d", "dog"], ["cat", "3d", "dog", "dog"], None),
        (["cat", "dog", "cat", "dog"], ["none", "dog", "cat", "dog"], ["cat", "dog", "none"]),
        (["cat", "dog", "cat", "dog"], ["-1", "dog", "cat", "dog"], ["cat", "dog", "-1"]),
    ],
)
def test_words_for_nothing_are_classes_where_labels_and_predictions_or_the_list_hold_them(label, pred, classes):
    (arm,) = read({"labels": label, "pred": pred}, "a", classes)
    named = np.array(arm.class_names)
    assert (named[arm.labels].tolist(), named[arm.pred[0]].tolist()) == (label, pred)
