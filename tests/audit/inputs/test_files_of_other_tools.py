"""Result files in the form in which other tools write them: read rightly, or refused with what to do."""

import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.audit import AuditError
from dropmix.audit.inputs.align import join
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.sources import read

CLASSES = ["cat", "dog", "fox"]
LABEL = np.array([0, 1, 2, 0, 1, 2, 2, 1, 0, 0, 1, 2])
LOGITS = np.random.default_rng(0).normal(size=(12, 3)) * 3
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
PRED, BEST = PROBS.argmax(axis=1), PROBS.max(axis=1)
ORDER = np.argsort(-PROBS, axis=1)
RANKED = np.take_along_axis(PROBS, ORDER, axis=1)
NAMES = [f"{i}.jpg" for i in range(12)]
SAID = [CLASSES[i] for i in PRED]


def text(head: str, *columns) -> str:
    return "\n".join([head, *(",".join(map(str, row)) for row in zip(*columns))]) + "\n"


def given(folder: Path, name: str, content, truth: str = "", **said):
    """The one arm of a file; `truth` is "numbers" or "names" for true classes in CSV, "array" for an npy file."""
    path = folder / name
    if isinstance(content, dict) and name.endswith(".npz"):
        np.savez(path, **content)
    elif isinstance(content, np.ndarray):
        np.save(path, content)
    elif isinstance(content, pa.Table):
        pq.write_table(content, path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    if truth == "array":
        np.save(folder / "y.npy", LABEL)
    elif truth:
        true = [CLASSES[i] for i in LABEL] if truth == "names" else LABEL
        (folder / "truth.csv").write_text(text("filename,label", NAMES, true))
    labels = {"array": "y.npy", "": None}.get(truth, "truth.csv")
    (arm,) = read(path, "x", reading=Reading(labels=labels and folder / labels, **said))
    return arm


ROWS = [{"filename": n, "index": int(i), "prob": float(p)} for n, i, p in zip(NAMES, PRED, BEST)]
TIMM_LABEL = text("filename,index,label,prob", NAMES, PRED, SAID, BEST)
MM = [
    {"gt_label": [int(y)], "pred_label": [int(p)], "pred_score": s.tolist(), "img_path": n}
    for y, p, s, n in zip(LABEL, PRED, PROBS, NAMES)
]


@pytest.mark.parametrize(
    ("name", "content", "truth"),
    [
        ("timm.csv", text("filename,index,prob", NAMES, PRED, BEST), "numbers"),
        ("timm-label.csv", TIMM_LABEL, "names"),
        ("timm-all.csv", text("filename,prob_0,prob_1,prob_2", NAMES, *PROBS.T), "numbers"),
        ("timm-index.json", {row["filename"]: {k: row[k] for k in ("index", "prob")} for row in ROWS}, "numbers"),
        ("timm-split.json", {"columns": list(ROWS[0]), "data": [list(row.values()) for row in ROWS]}, "numbers"),
        ("timm-records.json", "\n".join(map(json.dumps, ROWS)), "numbers"),
        ("timm.parquet", pa.table({"index": PRED, "prob": BEST, "filename": NAMES}), "numbers"),
        ("frame.json", {"y_true": dict(enumerate(LABEL.tolist())), "y_pred": dict(enumerate(PRED.tolist()))}, ""),
        ("cross_val_predict.npy", PRED, "array"),
        ("cross_val_predict.npz", {"arr_0": PRED}, "array"),
        ("proba.npz", {"y_test": LABEL, "y_proba": PROBS}, ""),
        ("series.csv", text(",0", range(12), PRED), "array"),
        ("frame.csv", text(",0,1,2", range(12), *PROBS.T), "array"),
        ("decision.npy", LOGITS, "array"),
        ("trainer.npz", {"predictions": LOGITS.astype(np.float16), "label_ids": LABEL}, ""),
        ("predict_results.txt", text("index,prediction", range(12), SAID).replace(",", "\t"), "names"),
        ("pipeline.json", [{"label": s, "score": float(p)} for s, p in zip(SAID, BEST)], "names"),
        ("keras.npy", PROBS.astype(np.float32), "array"),
        ("mmpretrain.json", MM, ""),
        ("to_csv.csv", text("name,class,confidence", SAID, PRED, BEST), "numbers"),
        ("epoch_end.csv", text("preds,targets", PRED, LABEL), ""),
    ],
)
def test_read(tmp_path, name, content, truth):
    arm = given(tmp_path, name, content, truth)
    wanted = dict(zip(NAMES, zip(LABEL, PRED))) if arm.example_id is not None else dict(enumerate(zip(LABEL, PRED)))
    keys = range(12) if arm.example_id is None else arm.example_id.tolist()
    index = [CLASSES.index(c) for c in arm.class_names] if arm.class_names else range(3)
    assert {key: (index[y], index[p]) for key, y, p in zip(keys, arm.labels, arm.pred[0])} == wanted
    if name in ("trainer.npz", "decision.npy", "keras.npy"):
        assert arm.p_max is not None
        assert arm.p_max[0] == pytest.approx(BEST, abs=0.01)


def test_numbers_and_names_are_connected_by_the_class_list(tmp_path):
    with pytest.raises(AuditError, match="give the class list"):
        given(tmp_path, "timm.csv", TIMM_LABEL, "numbers")
    arm = given(tmp_path, "timm.csv", TIMM_LABEL, "numbers", classes=CLASSES)
    assert arm.correct().mean() == (LABEL == PRED).mean()
    arm = given(tmp_path, "timm.csv", TIMM_LABEL, "numbers", columns={"pred": "index"})
    assert arm.correct().mean() == (LABEL == PRED).mean()


def test_ranked_scores_are_not_taken_for_scores_of_classes(tmp_path):
    ranked = text("filename,index_0,index_1,index_2,prob_0,prob_1,prob_2", NAMES, *ORDER.T, *RANKED.T)
    with pytest.raises(AuditError, match=r"k best classes.*--topk 0.*--columns pred=index_0"):
        given(tmp_path, "a.csv", ranked, "numbers")
    arm = given(tmp_path, "a.csv", ranked, "numbers", columns={"pred": "index_0"})
    assert arm.correct().mean() == (LABEL == PRED).mean()
    with pytest.raises(AuditError, match="k best classes"):
        given(tmp_path, "b.csv", text("filename,prob_0,prob_1,prob_2", NAMES, *RANKED.T), "numbers")
    # A network that always says the first class is no ranking if the columns have names.
    arm = given(tmp_path, "c.csv", text("filename,p_cat,p_dog,p_fox", NAMES, *RANKED.T), "names")
    assert set(arm.pred[0]) == {0}


MATRIX = np.zeros((3, 3), int)
np.add.at(MATRIX, (LABEL, PRED), 1)
SHARE = MATRIX / MATRIX.sum(axis=1, keepdims=True)
PAIRS = "Actual,Predicted,nPredictions\ncat,cat,5\ncat,dog,2\ndog,dog,7\ndog,cat,0\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.npy", MATRIX),
        ("m.npz", {"confusion_matrix": MATRIX, "classes": np.array(CLASSES)}),
        ("m.json", {"confusion_matrix": MATRIX.tolist()}),
        ("m.csv", text(",cat,dog,fox", CLASSES, *MATRIX.T)),
        ("label.csv", text("label,cat,dog,fox", CLASSES, *SHARE.T)),
        ("counts.csv", text("Actual,p_cat,p_dog,p_fox", CLASSES, *MATRIX.T)),
        ("pairs.csv", PAIRS),
    ],
)
def test_a_confusion_matrix_is_refused(tmp_path, name, content):
    with pytest.raises(AuditError, match=r"in a confusion matrix|got a confusion matrix.*y_true and y_pred"):
        given(tmp_path, name, content)


@pytest.mark.parametrize("truth", ["", "numbers"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "validate.csv",
            "model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct\nr50,80,20,95,5,25,224,1\n",
        ),
        ("validate.json", {"model": "r50", "top1": 80.1, "top1_err": 19.9, "top5": 95.0, "top5_err": 5.0}),
        ("summary.csv", "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n0,1,2,3,4,5\n"),
        ("predict_results.json", {"predict_accuracy": 0.5, "predict_loss": 1.2, "predict_runtime": 3.1}),
        ("history.json", {"accuracy": [0.1], "loss": [2.0], "val_accuracy": [0.1], "val_loss": [1.0]}),
        ("results.csv", "epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss\n1,2,3,.5,.9,1\n"),
        ("metrics.csv", "epoch,step,train_loss,val_acc,val_loss\n0,10,1.2,,\n0,10,,.5,1.1\n"),
    ],
)
def test_metrics_are_refused(tmp_path, name, content, truth):
    with pytest.raises(AuditError, match="expected a prediction per example, got metrics"):
        given(tmp_path, name, content, truth)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pkl", pickle.dumps([1]), "Pickles run code"),
        ("a.joblib", pickle.dumps([1]), "Pickles run code"),
        ("a.npz", {"arr_0": LABEL, "arr_1": PRED}, "savez"),
        ("a.csv", text("filename,index,prob", NAMES, [str(r).replace(",", "") for r in ORDER], BEST), "--topk 1"),
        ("a.parquet", pa.table({"filename": NAMES, "index": ORDER.tolist()}), "--topk 1"),
        ("b.csv", "\n".join(",".join(map(str, row)) for row in PROBS), "expected a header line"),
        ("b.npy", PROBS[:, :1], r"\(p >= 0.5\)"),
        ("c.csv", text(",0,1,2", range(12), *LOGITS.T), "logit_0"),
    ],
)
def test_refused_with_what_to_do(tmp_path, name, content, message):
    with pytest.raises(AuditError, match=message):
        given(tmp_path, name, content, "" if name == "a.npz" else "array" if name[0] == "b" else "numbers")


IDS = {
    "numbers": [*range(12)],
    "text": [str(i) for i in range(12)],
    "leading zeros": [f"{i:03d}" for i in range(12)],
    "floats as text": [f"{i}.0" for i in range(12)],
}


@pytest.mark.parametrize("one", IDS)
@pytest.mark.parametrize("other", IDS)
@pytest.mark.parametrize("write", ["csv", "parquet", "npz"])
def test_ids_are_the_same_as_numbers_as_text_and_with_leading_zeros(tmp_path, one, other, write):
    flip = np.arange(12)[::-1]
    given_as = {"csv": lambda t: text(",".join(t), *t.values()), "parquet": pa.table, "npz": lambda t: t}[write]
    pred = {"first": PRED, "second": np.roll(PRED, 1)}
    arms = [
        given(
            tmp_path,
            f"{name}.{ending}",
            form({"id": [ids[i] for i in order], "label": LABEL[order], "pred": pred[name][order]}),
        )
        for name, ids, order, ending, form in (
            ("first", IDS[one], np.arange(12), "parquet", pa.table),
            ("second", IDS[other], flip, write, given_as),
        )
    ]
    for pair in (arms, arms[::-1]):
        a, b = join(pair)
        np.testing.assert_array_equal(a.example_id, b.example_id)
        said = {p.arm: p.pred[0].tolist() for p in (a, b)}
        order = [int(float(i)) for i in a.example_id.tolist()]
        assert [*said.values()] == [pred[Path(p.sources[0]["path"]).stem][order].tolist() for p in (a, b)]
    told = [n for p in join(arms) for n in p.notes if "were read as numbers" in n]
    assert bool(told) == (one != other and bool({one, other} & {"leading zeros", "floats as text"}))


@pytest.mark.parametrize("truth", IDS)
@pytest.mark.parametrize("own", IDS)
def test_true_classes_are_found_by_ids_that_are_written_otherwise(tmp_path, truth, own):
    (tmp_path / "truth.csv").write_text(text("id,label", IDS[truth][::-1], LABEL[::-1]))
    pq.write_table(pa.table({"id": IDS[own], "pred": PRED}), tmp_path / "a.parquet")
    (arm,) = read(tmp_path / "a.parquet", "x", reading=Reading(labels=tmp_path / "truth.csv"))
    order = [int(float(i)) for i in arm.example_id.tolist()]
    np.testing.assert_array_equal(arm.labels, LABEL[order])
    np.testing.assert_array_equal(arm.pred[0], PRED[order])
