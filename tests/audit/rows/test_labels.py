"""Several labels per example against scikit-learn, a jackknife by hand, and new draws."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, multilabel_confusion_matrix

from dropmix.audit import AuditError, audit_predictions
from dropmix.audit.measures.average_precision import PRIOR, average_precision

NAMES = ("AF", "RBBB", "ST")


def scores_of(rng, truth, seeds, skill=2.0, lost=(0, 0, 0), seed_sd=0.2):
    """Sigmoid scores of networks that share what is hard about an example."""
    hard = np.random.default_rng(99).normal(0, 1, truth.shape)
    z = (skill - np.array(lost)) * (2 * truth - 1) + hard + rng.normal(0, 0.5, (seeds, *truth.shape))
    z = z + seed_sd * rng.standard_normal((seeds, 1, truth.shape[1])) - 1
    return (1 / (1 + np.exp(-z))).astype(np.float32)


@pytest.fixture
def world(rng):
    truth = (rng.random((400, 3)) < [0.1, 0.2, 0.4]).astype(int)
    return truth, scores_of(rng, truth, 3), scores_of(rng, truth, 4)


def test_rows_are_scikit_learns(world):
    truth, base, new = world
    found = audit_predictions(base, new, labels=truth, classes=NAMES, threshold={"AF": 0.3}, refits=0).only
    levels = np.array([0.3, 0.5, 0.5])
    for scores, side in ((base, "baseline"), (new, "treated")):
        tables = np.mean([multilabel_confusion_matrix(truth, one >= levels) for one in scores], axis=0)
        pooled = np.tile(truth, (len(scores), 1)), np.concatenate(scores >= levels)
        for at, name in enumerate(NAMES):
            (tn, fp), (fn, tp) = tables[at]
            held = {m: found.by_class[f"{name} {m}"] for m in ("sensitivity", "specificity", "average precision")}
            assert held["sensitivity"][f"recall_{side}"] == pytest.approx(tp / (tp + fn))
            assert held["specificity"][f"recall_{side}"] == pytest.approx(tn / (tn + fp))
            assert held["sensitivity"][f"precision_{side}"] == pytest.approx(tp / (tp + fp))
            assert held["sensitivity"][f"f1_{side}"] == pytest.approx(f1_score(pooled[0][:, at], pooled[1][:, at]))
            known = np.mean([average_precision_score(truth[:, at], one[:, at]) for one in scores])
            assert held["average precision"][f"recall_{side}"] == pytest.approx(known, abs=1e-6)
            assert held["average precision"]["n"] == truth[:, at].sum()
    assert found.classes["label"][:2] == ["AF", "AF"]
    assert found.summary["n_classes"] == 9


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_without_each_example(rng, ties):
    truth = rng.random(25) < 0.4
    score = rng.integers(0, 6, 25) / 6 if ties else rng.random(25)
    value, without = average_precision(truth, score)
    assert value == pytest.approx(average_precision_score(truth, score))
    known = [average_precision_score(np.delete(truth, i), np.delete(score, i)) for i in range(25)]
    np.testing.assert_allclose(without, known)


def test_a_label_that_never_differed_varies_as_its_value_and_size_predict(rng):
    """Both are ranked perfectly by every seed: 8 positive examples say far less than 128."""
    truth = np.zeros((400, 3), int)
    truth[:8, 0] = truth[:128, 1] = truth[rng.random(400) < 0.3, 2] = 1
    scores = [scores_of(rng, truth, seeds) for seeds in (3, 3)]
    for one in scores:
        one[:, :, :2] = 0.1 + 0.8 * truth[:, :2]
    found = audit_predictions(*scores, labels=truth, classes=NAMES, refits=0).by_class
    few, many, noisy = (found[f"{name} average precision"]["se_population"] for name in NAMES)
    near = [(n + 0.5) / (n + 1) for n in (8, 128)]
    predicted = [p * (1 - p) / (n + 1) / (n + PRIOR) for p, n in zip(near, (8, 128))]
    assert 0 < many < few
    assert noisy > many
    within = [found[f"{name} average precision"]["se_fixed_test"] for name in NAMES[:2]]
    assert within[0] > within[1] > 0
    assert (few / many) ** 2 == pytest.approx(predicted[0] / predicted[1], rel=0.01)


def test_a_lost_label_is_found_and_protected_by_its_name(rng, world):
    truth, base, _ = world
    new = scores_of(rng, truth, 4, lost=(0, 1.5, 0))
    found = audit_predictions(
        base, new, labels=truth, classes=NAMES, protect=["RBBB"], tolerance={"RBBB": 0.02}, refits=0
    )
    rows = found.by_class
    assert rows["RBBB average precision"]["decision"] == "hurt"
    assert rows["RBBB sensitivity"]["decision"] == "hurt"
    assert [r["class"] for r in found.only.rows() if r["protected"] == "yes"] == [
        "RBBB sensitivity", "RBBB specificity", "RBBB average precision",
    ]  # fmt: skip
    assert rows["RBBB specificity"]["tolerance"] == 0.02
    assert found.summary["decision"] == "do not ship"
    assert found.only.hurt_among(["RBBB average precision", "RBBB sensitivity"])[0] >= 1


def test_scores_keep_the_numbers_of_their_seeds(world, tmp_path):
    truth, base, new = world
    np.savez(tmp_path / "new.npz", scores=new, seeds=[3, 8, 5, 21])
    sources = {"probs": base, "seeds": [5, 7, 8]}, str(tmp_path / "new.npz")
    found = audit_predictions(*sources, labels=truth, classes=NAMES, refits=0, drop_seed=["21"])
    assert [one["seeds"] for one in found.inputs if one["arm"] != "baseline"] == [[3, 8, 5, 21]]
    assert (found.summary["seeds_baseline"], found.summary["seeds_treated"]) == (3, 3)
    assert any("seed 21 was left out" in note for note in found.only.notes + found.notes)


def test_files_with_ids_in_any_order(world, tmp_path):
    truth, base, new = world
    order = np.random.default_rng(0).permutation(400)

    def write(path, values, rows, names=NAMES):
        lines = [f"p{i}," + ",".join(map(str, values[i][[NAMES.index(n) for n in names]])) for i in rows]
        path.write_text("\n".join(["id," + ",".join(names), *lines]))

    write(tmp_path / "truth.csv", truth, range(400))
    for arm, scores in (("base", base), ("new", new)):
        (tmp_path / arm).mkdir()
        for seed, one in enumerate(scores):
            write(
                tmp_path / arm / f"seed{seed}.csv", one, order if seed else range(400), NAMES[::-1] if seed else NAMES
            )
    found = audit_predictions(tmp_path / "base", tmp_path / "new", labels=tmp_path / "truth.csv", refits=0).only
    known = audit_predictions(base, new, labels=truth, classes=NAMES, refits=0).only
    np.testing.assert_allclose(found.classes["recall_change"], known.classes["recall_change"], atol=1e-6)
    assert found.classes["decision"] == known.classes["decision"]


def test_thresholds_of_a_validation_set(rng, world):
    truth, base, new = world
    chosen = audit_predictions(base, new, labels=truth, classes=NAMES, validation=(base, truth), refits=0)
    grid = np.unique(base[:, :, 0])[::7]
    best = max(f1_score(np.tile(truth[:, 0], 3), np.concatenate(base[:, :, 0] >= t)) for t in grid)
    assert chosen.by_class["AF sensitivity"]["f1_baseline"] >= best - 1e-9
    assert "highest F1 on the validation set" in chosen.notes[0]


@pytest.mark.parametrize(("asked", "message"), [
    ({"threshold": {"XX": 0.1}}, "expected labels among AF"),
    ({"threshold": 1.5}, "expected a number from 0 to 1 for probabilities, got 1.5"),  # no label would ever be found
    ({"threshold": {"AF": float("nan")}}, "expected a number from 0 to 1 for probabilities, got nan"),
    ({"protect": ["XX"]}, "protect: expected classes"),
    ({"protect": ["RBB"]}, "got RBB. Did you mean 'RBBB'"),  # not one of its three rows
    ({"topk": 2}, "topk: expected 1"),
    ({"labels": np.ones((399, 3), int)}, "expected a label in .* for each of"),
    ({"labels": np.ones((400, 2), int), "classes": None}, r"expected scores \(N, 2\)"),
])  # fmt: skip
def test_what_does_not_fit_is_one_line(world, asked, message):
    truth, base, new = world
    with pytest.raises(AuditError, match=message):
        audit_predictions(base, new, **{"labels": truth, "classes": NAMES, "refits": 0} | asked)


def test_scores_beyond_one_need_a_threshold(world):
    truth, base, new = world
    with pytest.raises(AuditError, match="threshold: expected one for scores outside"):
        audit_predictions(5 * base, 5 * new, labels=truth, refits=0)
    assert audit_predictions(5 * base, 5 * new, labels=truth, threshold=2.5, refits=0).summary["n_classes"] == 9


def test_the_same_scores_change_nothing(world):
    truth, base, _ = world
    found = audit_predictions(base, {"copy": base[::-1]}, labels=truth, classes=NAMES, refits=0)
    assert set(found.classes["status"]) == {"tied"}
    assert (found.summary["n_hurt_low"], found.summary["n_tied"]) == (0, 9)


@pytest.mark.parametrize("seeds", [(3, 3), (1, 4)])
def test_intervals_of_average_precision_hold(seeds):
    rng, held = np.random.default_rng(5), np.zeros((2, 3))
    for _ in range(60):
        truth = (rng.random((300, 3)) < [0.08, 0.2, 0.4]).astype(int)
        base, new = (scores_of(rng, truth, s) for s in seeds)
        c = audit_predictions(base, new, labels=truth, refits=0).only.classes
        for i, end in enumerate(("", "_population")):
            held[i] += ((c[f"recall_change_low{end}"] <= 0) & (c[f"recall_change_high{end}"] >= 0))[-3:]
    coverage = held.sum(axis=1) / 180
    assert (coverage > 0.84).all(), coverage


def test_more_examples_of_a_specificity_are_those_without_the_label():
    rng = np.random.default_rng(3)
    truth = (rng.random((300, 2)) < 0.2).astype(int)
    arms = [np.clip(0.3 + 0.4 * truth + rng.normal(0, 0.15, (3, *truth.shape)), 0, 1) for _ in range(2)]
    c = audit_predictions(arms[0], arms[1], labels=truth, protect=["1 specificity"], refits=0).only
    assert c.by_class["1 specificity"]["decision"] == "undecided"
    assert "more test examples without the label" in c.verdict()
    of_label = audit_predictions(arms[0], arms[1], labels=truth, protect=["1 sensitivity"], refits=0).only
    assert "more test examples with the label" in of_label.verdict()
    assert "of the class" not in c.verdict()
