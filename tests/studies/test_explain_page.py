import json
import re
from pathlib import Path

import numpy as np
import pytest

from dropmix.audit.errors import AuditError
from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.save import write_run
from dropmix.data import Dataset
from dropmix.data.records import Texts
from dropmix.studies.explain_page import explain_arm, explain_grid, write_explained
from dropmix.studies.explain_words import findings, in_words
from dropmix.studies.predictors import from_labels, from_runs, from_texts

GRID = Path(__file__).parents[2] / "results" / "cifar100-wrn10-2"


def arms(effect: float, seed: int = 0, seeds: int = 6, k: int = 40, each: int = 60):
    """Two arms of `k` classes; the treated one loses up to `effect` of recall, most in the hardest class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(k), each)
    recall = np.linspace(0.6, 0.95, k)
    found = []
    for name, change in (("vanilla", 0.0), ("mixup", effect)):
        right = rng.random((seeds, len(labels))) < (recall - change * np.linspace(1, 0, k))[labels]
        pred = np.where(right, labels, (labels + 1) % k)
        names = tuple(f"<class {c}>" for c in range(k))
        found.append(Predictions(name, labels, pred, np.arange(seeds), class_names=names))
    return found


def test_predictors_from_runs_equal_a_loop():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 200)
    pred = rng.integers(0, 4, (2, 200))
    arm = Predictions("v", labels, pred, np.arange(2), p_true=rng.random((2, 200)), superclasses=("a", "a", "b", "b"))
    found = from_runs(arm, 4)
    for s in range(2):
        for c in range(4):
            mine = labels == c
            wrong = [p for p in pred[s, mine] if p != c]
            shares = np.array([wrong.count(d) / len(wrong) for d in range(4) if wrong.count(d)])
            assert found["baseline recall"][s, c] == pytest.approx((pred[s, mine] == c).mean())
            assert found["baseline confidence"][s, c] == pytest.approx(arm.p_true[s, mine].mean())
            assert found["entropy of confusions"][s, c] == pytest.approx(-(shares * np.log(shares)).sum())
            inside = np.mean([p // 2 == c // 2 for p in wrong])
            assert found["errors inside the superclass"][s, c] == pytest.approx(inside)


def test_predictors_from_labels_equal_a_loop():
    rng = np.random.default_rng(2)
    labels, accept = rng.integers(0, 5, 300), rng.integers(-1, 5, (300, 3))
    arm = Predictions("v", labels, labels[None], np.arange(1), accept=accept, train_counts=(9, 8, 7, 6, 5))
    found = from_labels(arm, 5)
    for c in range(5):
        sets = [{*row} - {-1, c} for row in accept[labels == c].tolist()]
        assert found["label ambiguity"][c] == pytest.approx(np.mean([len(others) > 0 for others in sets]))
        assert found["test examples"][c] == len(sets)
    assert found["training examples"].tolist() == [9, 8, 7, 6, 5]
    assert set(from_labels(Predictions("v", labels, labels[None], np.arange(1)), 5)) == {"test examples"}


def test_acceptable_classes_of_a_grid_add_label_ambiguity(tmp_path):
    rng = np.random.default_rng(3)
    for name, seed in (("vanilla", 0), ("vanilla", 1), ("mixup", 0), ("mixup", 1), ("cutmix", 0)):
        labels = np.repeat(np.arange(12), 20)
        pred = np.where(rng.random(240) < 0.7, labels, (labels + 1) % 12)
        run = tmp_path / "g" / f"{name}-{seed}"
        run.mkdir(parents=True)
        (run / "spec.json").write_text(json.dumps({"arm": {"name": name, "method": name}, "seed": seed}))
        write_run(Predictions(name, labels, pred[None], np.array([seed])), name, seed, run / "predictions.parquet")
        (run / "done").write_text("{}")
    sets = [[int(c), int(c + 1) % 12] if i % 20 < c else [int(c)] for i, c in enumerate(labels)]
    (tmp_path / "sets.json").write_text(json.dumps(sets))
    (found,) = explain_grid(tmp_path / "g", {}, accept=tmp_path / "sets.json")[0].values()
    one = next(one for one in found.predictors if one.name == "label ambiguity")
    np.testing.assert_allclose(one.values, np.arange(12) / 20)
    explained, left_out = explain_grid(tmp_path / "g", {})
    assert left_out == ["cutmix has one seed and was left out: train it with another."]
    (plain,) = explained.values()
    assert "label ambiguity" not in {one.name for one in plain.predictors}


def test_predictors_from_texts():
    tokens = np.array([[2, 3, 0], [2, 3, 4], [2, 3, 0], [5, 6, 7]], np.int32)
    split = Texts(tokens, np.array([0, 0, 1, 2]), np.arange(4), list("puabcdef"))
    found = from_texts(Dataset("text", split, split, ["a", "b", "c"], (), (), "f"))
    assert found["training examples"].tolist() == [2, 1, 1]
    assert found["mean length"].tolist() == [2.5, 2, 3]
    overlap = found["vocabulary overlap"]
    assert overlap[0] == overlap[1] > 0.5
    assert overlap[2] == 0


def test_harm_to_hard_classes_is_found_and_they_are_named():
    found = explain_arm(*arms(0.3), {})
    assert findings(found)[0].name in ("baseline recall", "entropy of confusions")
    text = in_words("mixup", found)
    assert "lower baseline recall lose more" in text
    assert "<class 0>" in text


def test_without_harm_the_page_says_that_there_is_no_finding():
    found = explain_arm(*arms(0.0, seed=1), {})
    assert not findings(found)
    assert "none of" in in_words("mixup", found)


def test_the_page_escapes_names_and_shows_a_panel_per_arm(tmp_path):
    found = {"<b>mixup</b>": explain_arm(*arms(0.3), {})}
    page, numbers = write_explained(found, tmp_path, "runs")
    content = page.read_text()
    assert "<b>mixup" not in content
    assert "<class" not in content
    assert len(re.findall("<img ", content)) == 1
    assert len(json.loads(numbers.read_text())["arms"]["<b>mixup</b>"]["change"]) == 40


def test_classes_that_nothing_tells_apart_have_a_page_without_a_table(tmp_path):
    """A program of one's own may leave out probabilities, and nearly every class may be perfect."""
    labels = np.repeat(np.arange(30), 10)
    pred = np.where(labels == 3, 4, labels)
    one, other = (Predictions(name, labels, np.stack([pred, labels]), np.arange(2)) for name in ("vanilla", "mixup"))
    page = write_explained({"mixup": explain_arm(one, other, {})}, tmp_path, "runs")[0].read_text()
    assert "the same for nearly all classes" in page
    assert "<table>" not in page


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(AuditError, match=r"got 0|no finished|expected"):
        explain_grid(tmp_path, {})


@pytest.mark.skipif(not GRID.is_dir(), reason="runs of the repository")
def test_a_predictor_that_is_the_same_for_all_classes_is_left_out():
    found, _ = explain_grid(GRID, {"ones": np.ones(100)})
    assert "ones" not in {one.name for one in found["mixup"].predictors}
    assert "test examples" not in {one.name for one in found["mixup"].predictors}
