"""Ranked classes are not seeds; equal runs in two arms, and classes that only predictions have, are reported."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.audit import AuditError, audit_predictions

NAMES = np.array(["cat", "dog", "fox", "lynx", "yak"])
LABELS = np.arange(60) % 5


@pytest.fixture
def scores(rng):
    """Scores (3, N, 5) of three seeds."""
    return lambda right=2.0: rng.normal(size=(3, 60, 5)) + right * np.eye(5)[LABELS]


def best(scores, k=3):
    """The k best classes of one run, (k, N)."""
    return np.argsort(-scores[0], axis=1)[:, :k].T


def audit(*sources, **options):
    return audit_predictions(*sources, refits=0, **options)


def as_mapping(pred, path):
    return {"labels": LABELS, "pred": pred}


def as_archive(pred, path):
    np.savez(path.with_suffix(".npz"), labels=LABELS, pred=pred)
    return path.with_suffix(".npz")


def as_columns(pred, path, names="pred_{}"):
    rows = [["label", *(names.format(i + 1) for i in range(len(pred)))], *zip(NAMES[LABELS], *NAMES[pred])]
    path.with_suffix(".csv").write_text("".join(",".join(row) + "\n" for row in rows))
    return path.with_suffix(".csv")


def as_columns_of_predictions(pred, path):
    return as_columns(pred, path, "prediction {}")


def as_json(pred, path):
    path.with_suffix(".json").write_text(json.dumps({"y_true": LABELS.tolist(), "y_pred": pred.tolist()}))
    return path.with_suffix(".json")


LAYOUTS = [as_mapping, as_archive, as_columns, as_columns_of_predictions, as_json]


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_best_classes_of_a_run_are_no_seeds(tmp_path, scores, layout, k):
    arms = [layout(best(scores(), k), tmp_path / name) for name in ("vanilla", "mixup")]
    with pytest.raises(AuditError, match=f"expected seeds, which agree on some examples, got {k} predictions"):
        audit(*arms)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("right", [0.0, 1.0, 3.0])
def test_seeds_pass_however_little_they_agree(tmp_path, scores, layout, right):
    arms = [layout(scores(right).argmax(axis=2), tmp_path / name) for name in ("vanilla", "mixup")]
    assert len(audit(*arms).only.classes["class"]) == 5


def test_a_matrix_of_best_classes_per_row_gets_its_own_advice(tmp_path, scores):
    for name in ("vanilla", "mixup"):
        np.save(tmp_path / f"{name}.npy", best(scores()).T)
    with pytest.raises(AuditError, match="If these are the top classes of each example"):
        audit(tmp_path / "vanilla.npy", tmp_path / "mixup.npy", labels=LABELS)


def test_runs_that_two_arms_share_are_told(scores):
    one, other = scores().argmax(axis=2), scores().argmax(axis=2)
    other[2] = one[0]
    found = audit({"labels": LABELS, "pred": one}, {"mixup": {"labels": LABELS, "pred": other}})
    assert "The same predictions: seed 0 of baseline and seed 2 of mixup. If one was copied" in " ".join(found.notes)
    other[2] = np.roll(one[0], 1)
    found = audit({"labels": LABELS, "pred": one}, {"mixup": {"labels": LABELS, "pred": other}})
    assert "The same predictions" not in " ".join(found.notes)


def nearly_right(errors):
    """Predictions (60,) with a few errors."""
    return np.where(np.arange(60) < errors, (LABELS + 1) % 5, LABELS)


def test_runs_with_few_errors_that_agree_are_told_with_what_to_do(scores, tmp_path):
    base = as_columns(scores().argmax(axis=2), tmp_path / "vanilla")
    runs = [tmp_path / f"mixup-s{seed}.csv" for seed in range(3)]
    for path, errors in zip(runs, (5, 5, 3)):
        rows = zip(NAMES[LABELS], NAMES[nearly_right(errors)])
        path.write_text("label,pred\n" + "".join(f"{label},{pred}\n" for label, pred in rows))
    (told,) = [note for note in audit(base, runs).notes if "same predictions" in note]
    assert "seed 0 and seed 1 (mixup-s0.csv, mixup-s1.csv) have the same predictions" in told
    assert "few errors (5)" in told
    assert told.endswith("leave it out with drop_seed (--drop-seed mixup:1).")
    assert not [note for note in audit(base, runs, drop_seed=["mixup:1"]).notes if "same predictions" in note]
    assert "Runs with few errors (5) may agree." in " ".join(audit(runs[0], runs[1]).notes)


def test_probabilities_show_that_runs_that_agree_are_two(scores, rng):
    pred = np.tile(scores().argmax(axis=2)[0], (2, 1))
    base = {"labels": LABELS, "pred": scores().argmax(axis=2)}
    p = rng.uniform(size=(2, 60))
    assert "same predictions" not in " ".join(audit(base, {"labels": LABELS, "pred": pred, "p_true": p}).notes)
    for rounding in (1e-6, 1e-2):  # the second as one network in half precision
        p[1] = p[0] + rounding * rng.uniform(size=60)
        with pytest.raises(AuditError, match="expected different runs as seeds"):
            audit(base, {"labels": LABELS, "pred": pred, "p_true": p.clip(0, 1)})


@pytest.mark.parametrize("changed", [1, 2])
@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("layout", [as_mapping, as_columns])
def test_two_seeds_that_differ_in_a_row_are_told(scores, tmp_path, changed, seeds, layout):
    base, other = scores(1.0).argmax(axis=2), scores(1.0).argmax(axis=2)
    other[1] = other[0]
    other[1, :changed] = (other[0, :changed] + 1) % 5
    found = audit(layout(base[:seeds], tmp_path / "a"), {"mixup": layout(other[:seeds], tmp_path / "b")})
    (told,) = [note for note in found.notes if "similar" in note]
    assert told.startswith("mixup: the predictions of seeds")
    assert f"{changed} of 60 differ. If they are one run, leave one out." in told


def test_two_near_copies_in_both_arms_are_told_and_two_networks_are_not(scores):
    runs = [scores(1.0).argmax(axis=2) for _ in "ab"]
    arms = [{"labels": LABELS, "pred": run[:2]} for run in runs]
    assert "similar" not in " ".join(audit(*arms).notes)
    for run in runs:
        run[1] = run[0]
        run[1, 3] = (run[0, 3] + 1) % 5
    assert " ".join(audit(*arms).notes).count("far more similar") == 2


def test_a_grid_is_not_asked_for_copies(tmp_path):
    from dropmix.audit import audit_grid
    from dropmix.recipes import get_recipe
    from dropmix.train.config import Arm

    base, errors = get_recipe("digits").base, nearly_right(9)
    for rate in (None, 1.0):
        arm = Arm(name="vanilla") if rate is None else Arm(name="mixup r=1", method="mixup", rate=rate)
        for seed in range(2):
            spec = base.model_copy(update={"arm": arm, "seed": seed})
            folder = tmp_path / spec.folder_name
            folder.mkdir()
            (folder / "spec.json").write_text(spec.to_json())
            (folder / "done").write_text("{}")
            rows = {"label": LABELS, "pred": np.roll(errors, 5 * seed), "seed": np.full(60, seed)}
            pq.write_table(pa.table(rows), folder / "predictions.parquet")
    found = audit_grid(tmp_path, refits=0)
    assert found.only.summary["accuracy_baseline"] == 51 / 60
    assert "copied" not in " ".join(found.notes)


def test_classes_that_only_predictions_have_are_told(scores):
    one, other = (np.array(NAMES)[scores().argmax(axis=2)].astype("U9") for _ in "ab")
    other[0, :3] = "lynxx"
    found = audit({"labels": NAMES[LABELS], "pred": one}, {"labels": NAMES[LABELS], "pred": other})
    told = [note for note in found.notes if "no example has" in note]
    assert told == ["treated: 1.7 % of the predictions are of 1 class that no example has: lynxx."]


@pytest.mark.parametrize("strange", ["cat dog", "CAT!", "['cat']", "n01"])
def test_predictions_of_strange_classes_alone_are_refused(scores, strange):
    pred = np.full((1, 60), strange)
    with pytest.raises(AuditError, match="expected predictions among the classes of the labels"):
        audit({"labels": NAMES[LABELS], "pred": pred}, {"labels": NAMES[LABELS], "pred": pred})
