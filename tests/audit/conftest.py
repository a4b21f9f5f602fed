"""Small prediction sets that several test files use."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def draw_predictions(rng, labels, seeds, right, k):
    """Predictions that are right with probability `right` (one number, or one per class), else any class."""
    right = np.broadcast_to(right, (k,))[labels]
    hit = rng.random((seeds, len(labels))) < right
    return np.where(hit, labels, rng.integers(0, k, (seeds, len(labels))))


def write_run_folder(folder, arm, seed, labels, pred, ids=None, classes=None, done=True, spec=None, **columns):
    """A run folder as the grid writes it."""
    folder.mkdir(parents=True)
    n = len(labels)
    table = pa.table(
        {
            "arm": [arm] * n,
            "seed": pa.array([seed] * n, pa.int64()),
            "example_id": pa.array(np.arange(n) if ids is None else ids),
            "label": pa.array(labels, pa.int32()),
            "pred": pa.array(pred, pa.int32()),
            **{key: pa.array(value, pa.float32()) for key, value in columns.items()},
        }
    )
    meta = {"format": 1, "classes": classes, "superclasses": None}
    pq.write_table(table.replace_schema_metadata({"dropmix": json.dumps(meta)}), folder / "predictions.parquet")
    held = {"format": 1, "arm": {"name": arm}, "seed": seed, "network": "tiny", "data": {"name": "toy"}}
    (folder / "spec.json").write_text(json.dumps(held | (spec or {})))
    if done:
        (folder / "done").write_text("{}")


def planned_audit(**more):
    """Summary and columns of an audit, as the planner reads them: fox is undecided, lynx is hurt."""
    summary = {"seed_variance_ratio": 1.5, "seeds_baseline": 4, "seeds_treated": 4} | more
    classes = {
        "class": ["fox", "lynx"],
        "n": np.array([50, 80]),
        "se_fixed_test": np.array([0.02, 0.015]),
        "se_population": np.array([0.03, 0.02]),
        "recall_baseline": np.array([0.9, 0.9]),
        "recall_treated": np.array([0.87, 0.7]),
        "recall_change": np.array([-0.03, -0.2]),
        "tolerance": np.array([0.01, 0.01]),
        "decision": ["undecided", "hurt"],
        "decision_population": ["undecided", "hurt"],
    }
    return summary, classes


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def draw():
    return draw_predictions


@pytest.fixture
def audit():
    return planned_audit


@pytest.fixture
def write_run():
    return write_run_folder


@pytest.fixture
def grid(tmp_path, rng):
    """A folder with vanilla, mixup and cutmix, three seeds each, four classes of ten examples."""
    labels = np.repeat(np.arange(4), 10)
    for arm, right in (("vanilla", 0.6), ("mixup", 0.7), ("cutmix", 0.8)):
        for seed in range(3):
            pred = draw_predictions(rng, labels, 1, right, 4)[0]
            p = rng.random(40).astype(np.float32)
            write_run_folder(
                tmp_path / f"{arm}-{seed}", arm, seed, labels, pred, p_true=p, p_max=p, classes=list("abcd")
            )
    return tmp_path
