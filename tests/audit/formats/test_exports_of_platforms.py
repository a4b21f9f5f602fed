"""Predictions and true classes as training platforms export them: read rightly, or refused with advice that works."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.audit import AuditError, audit_predictions

CLASSES = np.array(["cat", "dog", "fox"])
LABEL = np.arange(60) % 3
IDS = [f"{i:03d}.jpg" for i in range(60)]
RNG = np.random.default_rng(0)
PRED = {arm: np.where(RNG.random(60) < share, LABEL, (LABEL + 1) % 3) for arm, share in (("a", 0.9), ("b", 0.7))}
PROBS = {arm: np.eye(3)[pred] * 0.6 + 0.4 / 3 for arm, pred in PRED.items()}
TRUE = CLASSES[LABEL].tolist()


def accuracies(folder: Path, write, **said) -> list[float]:
    paths = [write(folder, arm, CLASSES[PRED[arm]].tolist(), PROBS[arm]) for arm in PRED]
    summary = audit_predictions(paths[0], paths[1], **said).comparisons[0].summary
    return [summary["accuracy_baseline"], summary["accuracy_treated"]]


RIGHT = pytest.approx([float((pred == LABEL).mean()) for pred in PRED.values()])


def fastai(folder, arm, names, probs):
    np.savez(folder / f"{arm}.npz", preds=probs, targs=LABEL)
    return folder / f"{arm}.npz"


def fiftyone(folder, arm, names, probs):
    rows = zip(IDS, TRUE, names, probs.max(axis=1))
    lines = [
        "filepath,ground_truth.label,predictions.label,predictions.confidence",
        *(",".join(map(str, r)) for r in rows),
    ]
    (folder / f"{arm}.csv").write_text("\n".join(lines) + "\n")
    return folder / f"{arm}.csv"


def alone(folder, arm, names, probs):
    (folder / f"{arm}.csv").write_text("\n".join(["id,pred", *map(",".join, zip(IDS, names))]) + "\n")
    return folder / f"{arm}.csv"


def rows(folder, arm, row):
    path = folder / f"{arm}.jsonl"
    path.write_text("".join(json.dumps(row(i)) + "\n" for i in range(60)))
    return path


def nested(folder, arm, names, probs):
    return rows(folder, arm, lambda i: {"label": TRUE[i], "prediction": {"names": [names[i]], "scores": [0.9]}})


def nested_label(folder, arm, names, probs):
    return rows(folder, arm, lambda i: {"ground_truth": {"label": TRUE[i]}, "pred": names[i]})


def scores_as_prediction(folder, arm, names, probs):
    return rows(folder, arm, lambda i: {"label": int(LABEL[i]), "prediction": probs[i].tolist()})


def scores_as_probs(folder, arm, names, probs):
    return rows(folder, arm, lambda i: {"label": int(LABEL[i]), "probs": probs[i].tolist()})


def markdown(folder, arm, names, probs):
    lines = ["| id | label | pred |", "|:---|---|--:|", *(f"| {i} | {y} | {p} |" for i, y, p in zip(IDS, TRUE, names))]
    (folder / f"{arm}.txt").write_text("\n".join(lines) + "\n")
    return folder / f"{arm}.txt"


def boxes(folder, arm, names, probs):
    (folder / f"{arm}.json").write_text(
        json.dumps([{"image_id": i, "bbox": [0, 0, 1, 1], "score": 0.9} for i in range(60)])
    )
    return folder / f"{arm}.json"


def struct(folder, arm, names, probs):
    values = [{"class": name, "score": 0.9} for name in names]
    pq.write_table(pa.table({"label": TRUE, "pred": values}), folder / f"{arm}.parquet")
    return folder / f"{arm}.parquet"


def pointer(ending):
    def write(folder, arm, names, probs):
        path = folder / f"{arm}{ending}"
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
        return path

    return write


def address(folder, arm, names, probs):
    return f"https://docs.example.org/{arm}.csv"


@pytest.mark.parametrize("write", [fastai, fiftyone, scores_as_probs])
def test_exports_are_read(tmp_path, write):
    assert accuracies(tmp_path, write) == RIGHT


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (nested, r"one class per row in pred, got fields: names, scores\. Save the one that holds the class as a col"),
        (nested_label, r"one class per row in label, got fields: label\. .* a column of its own, called label"),
        (struct, r"one class per row in pred, got fields: class, score"),
        (scores_as_prediction, r"got a list\. If it holds a score per class, rename the column to probs"),
        (markdown, r"got a ruled line as in Markdown\. Save it as CSV"),
        (boxes, r"expected columns label and pred, got 'image_id', 'bbox', 'score'\. Add label"),
        (address, r"expected a file on this machine, got an address\. Download it"),
        *(
            (pointer(ending), r"got the pointer .* Run git lfs pull")
            for ending in (".parquet", ".csv", ".json", ".npz")
        ),
    ],
)
def test_exports_that_cannot_be_read_say_what_to_do(tmp_path, write, message):
    with pytest.raises(AuditError, match=message) as error:
        accuracies(tmp_path, write)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "labels",
    [
        [{"id": i, "label": y, "box": [0, 1]} for i, y in zip(IDS[::-1], TRUE[::-1])],
        {"rows": [{"file_name": i, "class": y} for i, y in zip(IDS[::-1], TRUE[::-1])]},
        {"id": IDS[::-1], "label": TRUE[::-1]},
        dict(zip(IDS[::-1], TRUE[::-1])),
        {"labels": TRUE},
        TRUE,
    ],
    ids=["rows", "wrapped", "columns", "mapping", "one column", "list"],
)
def test_true_classes_in_json(tmp_path, labels):
    (tmp_path / "truth.json").write_text(json.dumps(labels))
    assert accuracies(tmp_path, alone, labels=tmp_path / "truth.json") == RIGHT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [{"id": 1}], "annotations": [{"id": 1}], "categories": []}', "expected the class of each example"),
        ('{"000.jpg": ["cat"], "001.jpg": ["dog"], "002.jpg": "fox"}', "expected the class of each example"),
        ('{"000.jpg": "cat", "000.jpg": "dog"}', "got '000.jpg' twice in one object"),
    ],
)
def test_json_without_one_class_per_example_is_refused(tmp_path, content, message):
    (tmp_path / "truth.json").write_text(content)
    with pytest.raises(AuditError, match=message):
        accuracies(tmp_path, alone, labels=tmp_path / "truth.json")


@pytest.mark.parametrize("said", ["accept", "classes"])
def test_a_name_twice_in_json_is_refused_wherever_it_is_read(tmp_path, said):
    (tmp_path / "twice.json").write_text('{"0": ["cat"], "1": ["dog"], "0": ["fox"]}')
    with pytest.raises(AuditError, match="got '0' twice in one object"):
        accuracies(tmp_path, fiftyone, **{said: tmp_path / "twice.json"})


def test_a_name_twice_in_a_row_of_predictions_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"label": "cat", "pred": "cat"}\n{"label": "cat", "pred": "dog", "pred": "cat"}\n')
    with pytest.raises(AuditError, match="got 'pred' twice in one object"):
        audit_predictions(path, path)
