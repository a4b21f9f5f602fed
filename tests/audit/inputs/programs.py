"""One set of predictions, written as other programs write it, and what an audit must find in it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, recall_score

from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.sources import read

CLASSES = ["cat", "dog", "fox", "yak"]
COUNT = 40
RNG = np.random.default_rng(3)
LABEL = np.r_[np.arange(4), RNG.choice(4, COUNT - 4, p=[0.4, 0.3, 0.2, 0.1])]
LOGITS = RNG.normal(size=(COUNT, 4)) * 2 + 2 * np.eye(4)[LABEL]
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
PRED, BEST = PROBS.argmax(axis=1), PROBS.max(axis=1)
TRUE, SAID = [CLASSES[i] for i in LABEL], [CLASSES[i] for i in PRED]
NAMES = [f"{i}.jpg" for i in range(COUNT)]
ONE_HOT = np.eye(4, dtype=int)


def text(head: str | list, *columns, mark: str = ",") -> str:
    rows = [mark.join(map(str, row)) for row in zip(*columns)]
    return "\n".join([head if isinstance(head, str) else mark.join(head), *rows]) + "\n"


def quoted(values) -> list[str]:
    return [f'"{value}"' for value in values]


def arms(folder: Path, name: str, content: Any, labels: Any = None, **said):
    """The arms of a file, with true classes from another one if given: CSV as text, or an array."""
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
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    if isinstance(labels, np.ndarray):
        np.save(folder / "y.npy", labels)
    elif labels is not None:
        (folder / "truth.csv").write_text(labels)
    beside = None if labels is None else folder / ("y.npy" if isinstance(labels, np.ndarray) else "truth.csv")
    return read(path, "x", reading=Reading(labels=beside, **said))


def check(arm) -> None:
    """Accuracy and the recall of every class are those of the predictions that were written."""
    assert arm.labels.shape == (COUNT,)
    assert accuracy_score(arm.labels, arm.pred[0]) == accuracy_score(LABEL, PRED)
    titles = [t.split(":")[-1] for t in arm.class_names or CLASSES]
    index = [titles.index(c) if c in titles else i for i, c in enumerate(CLASSES)]
    found = recall_score(arm.labels, arm.pred[0], labels=index, average=None)
    np.testing.assert_array_equal(found, recall_score(LABEL, PRED, labels=range(4), average=None))
    if arm.p_true is not None:
        probs, labels = PROBS, LABEL
        if arm.example_id is not None:
            order = np.argsort(NAMES)
            probs, labels = PROBS[order], LABEL[order]
        assert arm.p_true[0] == pytest.approx(probs[np.arange(COUNT), labels], abs=1e-4)
        assert arm.p_max[0] == pytest.approx(probs.max(axis=1), abs=1e-4)


TRUTH = text("filename,label", NAMES, TRUE)
