"""Nested and dense results of other programs: accuracy and recalls are those of scikit-learn, or they are refused."""

import json

import numpy as np
import pyarrow as pa
import pytest

from dropmix.audit import AuditError, audit_predictions
from dropmix.audit.inputs.sources import read

from .programs import (
    CLASSES,
    COUNT,
    LABEL,
    LOGITS,
    NAMES,
    ONE_HOT,
    PRED,
    PROBS,
    SAID,
    TRUE,
    TRUTH,
    arms,
    check,
    text,
)

DATES = pa.array(range(COUNT), pa.timestamp("s"))
RANKED = [[{"label": CLASSES[k], "score": float(p[k])} for k in np.argsort(-p)] for p in PROBS]
CODED = [[{"label": f"LABEL_{k}", "score": float(p[k])} for k in np.argsort(-p)] for p in PROBS]


@pytest.mark.parametrize(
    ("name", "content", "labels"),
    [
        ("pipeline.json", RANKED, TRUTH),
        ("pipeline.json", CODED, LABEL),
        ("pipeline.jsonl", "\n".join(map(json.dumps, RANKED)), TRUTH),
        ("ranked.json", [row[:2] for row in RANKED], TRUTH),
        ("one.json", [row[:1] for row in RANKED], TRUTH),
        ("flat.json", [row[0] for row in CODED], LABEL),
        ("by_name.json", dict(zip(NAMES, RANKED)), TRUTH),
        ("rows.json", [{"file": n, "label": t, "predictions": r} for n, t, r in zip(NAMES, TRUE, RANKED)], None),
        ("one_each.json", [{"label": t, "prediction": r[0]} for t, r in zip(TRUE, RANKED)], None),
        ("mapping.json", [{"label": t, "probs": dict(zip(CLASSES, p.tolist()))} for t, p in zip(TRUE, PROBS)], None),
        ("lists.json", [{"label": int(y), "logits": p.tolist()} for y, p in zip(LABEL, LOGITS)], None),
        ("results.json", {"model": "r50", "rows": [{"label": t, "pred": s} for t, s in zip(TRUE, SAID)]}, None),
        ("by_id.json", dict(zip(NAMES, SAID)), TRUTH),
        ("list.json", PRED.tolist(), LABEL),
        ("scores.json", PROBS.tolist(), LABEL),
        ("nested.parquet", pa.table({"label": TRUE, "predictions": RANKED}), None),
        ("lists.parquet", pa.table({"label": LABEL, "probs": PROBS.tolist()}), None),
        ("single.parquet", pa.table({"label": LABEL, "pred": [[p] for p in PRED]}), None),
        (
            "dates.parquet",
            pa.table({"id": pa.array(range(COUNT), pa.timestamp("s")), "label": TRUE, "pred": SAID}),
            None,
        ),
    ],
)
def test_nested_predictions(tmp_path, name, content, labels):
    (arm,) = arms(tmp_path, name, content, labels)
    check(arm)


@pytest.mark.parametrize(
    ("name", "content", "labels"),
    [
        ("a.npz", {"y_true": ONE_HOT[LABEL], "y_pred": PRED}, None),
        ("a.npz", {"y_true": ONE_HOT[LABEL].astype(bool), "y_pred": PROBS}, None),
        ("a.npz", {"y_true": ONE_HOT[LABEL].astype(np.float32), "y_pred": ONE_HOT[PRED]}, None),
        ("a.npz", {"y_test": LABEL, "y_pred_proba": PROBS.astype(np.float32) * 1.0001}, None),
        ("a.npz", {"YTrue": LABEL[:, None], "YPred": PRED[:, None]}, None),
        ("a.npz", {"targets": LABEL, "outputs": LOGITS}, None),
        ("a.npz", {"labels": LABEL, "log_probs": np.log(PROBS)}, None),
        ("a.npz", {"labels": LABEL, "probs": 100 * PROBS}, None),
        ("a.npy", 100 * PROBS, LABEL),
        ("a.npy", PROBS, ONE_HOT[LABEL]),
        ("a.npy", ONE_HOT[PRED], LABEL),
        ("a.npy", ONE_HOT[PRED].astype(float), ONE_HOT[LABEL].astype(float)),
        ("a.npy", np.array([*zip(LABEL, PRED)], dtype=[("label", "i4"), ("pred", "i4")]), None),
    ],
)
def test_one_hot_and_other_arrays(tmp_path, name, content, labels):
    (arm,) = arms(tmp_path, name, content, labels)
    check(arm)
    hard = [a for a in (content.values() if isinstance(content, dict) else [content]) if a.dtype.names is None]
    if not any(a.dtype.kind == "f" and not np.isin(a, (0, 1)).all() for a in hard):
        assert arm.p_max is None  # ones are no probabilities


MATRIX = np.zeros((4, 4), int)
np.add.at(MATRIX, (LABEL, PRED), 1)


@pytest.mark.parametrize(
    ("name", "content", "labels", "message"),
    [
        ("a.npy", MATRIX, np.arange(4), r"\(4, 4\): as many rows as examples"),
        ("a.npy", MATRIX / MATRIX.sum(axis=1, keepdims=True), np.arange(4), "a confusion matrix"),
        ("a.npz", {"labels": LABEL[:4], "pred": np.argsort(-PROBS, axis=1)[:4]}, None, "as many rows as examples"),
        ("a.npy", PROBS.T, LABEL, r"pred\.T"),
        ("a.npy", PROBS[:, None], LABEL, r"squeeze"),
        ("a.npz", {"labels": LABEL, "logits": np.where(np.eye(COUNT, 4), np.inf, 0)}, None, "infinite ones in 4 rows"),
        ("a.npz", {"labels": LABEL, "scores": np.full((COUNT, 4), -np.inf)}, None, "infinite ones in 40 rows"),
    ],
)
def test_arrays_that_may_mean_two_things_are_refused(tmp_path, name, content, labels, message):
    with pytest.raises(AuditError, match=message):
        arms(tmp_path, name, content, labels)


def test_a_label_given_twice_in_the_file_of_labels(tmp_path):
    truth = TRUTH + f"{NAMES[0]},{CLASSES[LABEL[0] - 1]}\n"
    with pytest.raises(AuditError, match=r"truth\.csv: expected each example once, got 0\.jpg with different values"):
        arms(tmp_path, "a.csv", text("filename,pred", NAMES, SAID), truth)
    check(arms(tmp_path, "a.csv", text("filename,pred", NAMES, SAID), TRUTH + f"{NAMES[0]},{TRUE[0]}\n")[0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"PK\x03\x04" + bytes(50), "got a zip archive"),
        ("a.csv", b"PAR1" + bytes(50), "got a parquet file by its first bytes. Rename it"),
        ("a.csv", b"\x28\xb5\x2f\xfd" + bytes(50), "got a packed file"),
        ("a.csv", b"<!DOCTYPE html><p>404", "got a web page"),
        ("a.csv", b'[{"label": 1, "pred": 2}]', "got JSON by its first bytes"),
        ("a.json", b"label,pred\n1,2\n", "got text by its first bytes"),
        ("a.npz", b"\x93NUMPY" + bytes(50), "Rename it to end in .npy"),
        ("a.npy", b"PK\x03\x04" + bytes(50), "rename an npz file to end in .npz"),
        ("a.npz", b"\x80\x04\x95", "a pickle, which would run code"),
        ("a.arrow", b"ARROW1", "Save it as parquet"),
        ("a.mat", b"MATLAB 5.0", "numpy.savez"),
        ("a.ckpt", b"PK\x03\x04", "Pickles run code"),
        ("preds", b"label,pred\n1,2\n", "rename it to end in .csv"),
    ],
)
def test_a_file_of_another_kind_is_told(tmp_path, name, content, message):
    with pytest.raises(AuditError, match=message):
        arms(tmp_path, name, content)


@pytest.mark.parametrize("count", [2, 3, 12])
def test_a_square_array_is_one_of_seeds_only_if_these_are_numbered(tmp_path, rng, count):
    labels = np.arange(count) % 2
    one, other = rng.integers(0, 2, (2, count, count))
    with pytest.raises(AuditError, match=r"as many rows as examples, .* Give one seed, \(N,\), or the array seeds"):
        audit_predictions({"labels": labels, "pred": one}, {"mixup": {"labels": labels, "pred": other}}, refits=0)
    arms = [{"labels": labels, "pred": pred, "seeds": np.arange(count)} for pred in (one, other)]
    np.savez(tmp_path / "mixup.npz", **arms[1])
    for treated in (arms[1], tmp_path / "mixup.npz"):
        found = audit_predictions(arms[0], {"mixup": treated}, refits=0).only
        assert found.summary["seeds_treated"] == count
        recalls = [(other == labels)[:, labels == k].mean() for k in (0, 1)]
        assert np.allclose(found.classes["recall_treated"], recalls)


def test_masked_values_are_gaps():
    labels, pred = np.arange(30) % 3, (np.arange(30) + 1) // 2 % 3
    for key in ("labels", "pred"):
        source = {"labels": labels, "pred": pred}
        source[key] = np.ma.masked_array(source[key], mask=np.arange(30) == 4)
        with pytest.raises(AuditError, match="got 1 masked"):
            read(source, "x")
        source[key] = np.ma.masked_array(source[key].data, mask=False)
        assert read(source, "x")[0].pred[0].tolist() == pred.tolist()


def test_series_whose_index_has_two_orders_are_refused():
    pandas = pytest.importorskip("pandas")
    names = [f"i{n}" for n in range(30)]
    labels = pandas.Series(np.arange(30) % 3, index=names)
    pred = pandas.Series((np.arange(30) + 1) // 2 % 3, index=names)
    for source in ({"labels": labels, "pred": pred[::-1]}, (labels, pred[::-1])):
        with pytest.raises(AuditError, match=r"in one order, got the same index in two\. Give one frame"):
            read(source, "x")
    for other in (pred, pred.reset_index(drop=True), pred.to_numpy()):
        assert read({"labels": labels, "pred": other}, "x")[0].pred[0].tolist() == pred.tolist()
