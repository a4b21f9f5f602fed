"""Several arms: shared baseline noise, second arms, rescue."""

import json

import numpy as np
import pytest

from dropmix.audit import audit_grid, audit_predictions
from dropmix.audit.several_arms import answer, rescue
from dropmix.report import paper_table
from dropmix.studies.simulate import World, simulate


def predictions(correct):
    """Right or wrong as predictions of M classes, (S, M, n) -> mapping."""
    seeds, m, _ = correct.shape
    labels = np.repeat(np.arange(m), correct.shape[2])
    right = correct.reshape(seeds, -1)
    return {"labels": labels, "pred": np.where(right, labels, (labels + 1) % m)}


def test_arms_without_effect_look_alike_through_a_shared_baseline():
    rng = np.random.default_rng(0)
    world = World(classes=100, per_class=50)
    recalls = world.baseline_recalls(rng)
    # One test set and three sets of seeds: a world with six and three seeds per arm, cut into three arms.
    s = simulate(World(classes=100, per_class=50, seeds=(12, 6)), np.asarray(0.0), rng, recalls=recalls)
    base, one, two = s.correct0[:6], s.correct0[6:], s.correct1
    audit = audit_predictions(predictions(base), {"one": predictions(one), "two": predictions(two)}, refits=0)
    (pair,) = audit.arm_pairs
    assert pair["arms"] == ["one", "two"]
    assert pair["correlation_by_chance"] == pytest.approx(0.5, abs=0.07)
    assert pair["correlation"] == pytest.approx(0.5, abs=0.2)
    assert abs(pair["correlation_separate_seeds"]) < 0.25
    (note,) = audit.notes
    assert note.startswith("That two arms agree on a class confirms little")
    assert "_" not in note
    assert pair["reasons"] == {}


def test_a_correlation_that_is_null_has_its_reason():
    rng = np.random.default_rng(0)
    base, one, two = (predictions(rng.random((1, 6, 40)) < 0.8) for _ in range(3))
    (pair,) = audit_predictions(base, {"one": one, "two": two}, refits=0).arm_pairs
    assert {key for key, value in pair.items() if value is None} == pair["reasons"].keys()
    assert pair["reasons"] == {"correlation_separate_seeds": "the baseline has one seed"}


def test_second_arm_against_the_first(grid, rng, draw, write_run):
    labels = np.repeat(np.arange(4), 10)
    arm = {"name": "mixup r=0.5", "method": "mixup", "rate": 0.5, "options": {}}
    for name in grid.iterdir():
        spec = json.loads((name / "spec.json").read_text())
        spec["arm"] |= {"method": spec["arm"]["name"], "rate": 0.0, "options": {}}
        (name / "spec.json").write_text(json.dumps(spec))
    for seed in range(3):
        pred = draw(rng, labels, 1, 0.8, 4)[0]
        write_run(grid / f"drop-{seed}", arm["name"], seed, labels, pred, classes=list("abcd"), spec={"arm": arm})
    audit = audit_grid(grid, between="rates", refits=0)
    names = [(c.baseline, c.arm) for c in audit.comparisons]
    assert names[-1] == ("mixup", "mixup r=0.5")
    assert len(names) == 4
    direct = audit_grid(grid, between=[("mixup", "mixup r=0.5")], refits=0).comparisons[-1]
    assert direct.summary == audit.comparisons[-1].summary
    by_hand = np.mean(direct.recalls_treated, axis=0) - np.mean(direct.recalls_baseline, axis=0)
    np.testing.assert_allclose(direct.classes["recall_change"], by_hand)
    assert "rescue_given_back" in direct.summary


@pytest.mark.parametrize("rate", [0.3, 0.0])  # 0.0 is no spec of ours, which hold the mean
def test_rates_per_class_are_dropmix_and_not_the_plain_method(grid, rng, draw, write_run, rate):
    labels = np.repeat(np.arange(4), 10)
    for name in grid.iterdir():
        spec = json.loads((name / "spec.json").read_text())
        spec["arm"] |= {"method": spec["arm"]["name"], "rate": 0.0, "options": {}}
        (name / "spec.json").write_text(json.dumps(spec))
    arm = {"method": "mixup", "unit": "sample", "options": {}, "rate": rate}
    for key, value in (("one", 0.6), ("two", 0.9)):
        named = f"mixup r={rate:g} unit=sample rates={key}"
        held = arm | {"name": named, "rates": {"a": value, "b": 0.0, "c": 0.0, "d": 0.0}}
        for seed in range(3):
            pred = draw(rng, labels, 1, 0.8, 4)[0]
            write_run(grid / f"{key}-{seed}", named, seed, labels, pred, classes=list("abcd"), spec={"arm": held})
    audit = audit_grid(grid, between="rates", refits=0)
    pairs = [(c.baseline, c.arm) for c in audit.comparisons if c.baseline != "vanilla"]
    assert pairs == [("mixup", f"mixup r={rate:g} unit=sample rates={key}") for key in ("one", "two")]
    methods = {c.arm: c.method for c in audit.comparisons}
    assert len({*methods.values()}) == len(methods)
    rows = [(row.method, row.rate) for row in paper_table(audit_grid(grid, refits=0))]
    assert len(rows) == len({*rows}) >= 5


def test_rescue_gives_no_credit_for_luck():
    rng = np.random.default_rng(1)
    sizes = np.full(300, 100)
    draw = lambda: rng.binomial(100, 0.7, (6, 300))  # noqa: E731
    found = rescue(draw(), draw(), draw(), sizes, seed=0)
    assert found is not None
    assert abs(found.lost) < 0.006
    assert abs(found.given_back) < 0.006


def test_rescue_sees_what_is_given_back():
    rng = np.random.default_rng(2)
    sizes = np.full(50, 200)
    p = np.where(np.arange(50) < 10, 0.6, 0.75)
    found = rescue(
        rng.binomial(200, 0.75, (6, 50)), rng.binomial(200, p, (6, 50)), rng.binomial(200, 0.75, (6, 50)), sizes, seed=0
    )
    assert found is not None
    assert found.given_back > 0.04
    assert abs(found.others) < 0.02


def test_rescue_needs_two_seeds():
    one = np.full((1, 3), 5)
    assert rescue(one, one, one, np.full(3, 10), 0) is None


def kept(*losses, classes=4, n=400, seeds=4):
    """Predictions of seeds that lose these shares of the classes, in order; 90 % are right otherwise."""
    labels = np.repeat(np.arange(classes), n)
    lost = np.zeros(classes)
    lost[: len(losses)] = losses
    place = np.tile(np.arange(n), classes)
    wrong = (place[None] + np.arange(seeds)[:, None] * 7) % n < (n * (0.1 + lost))[labels]
    return {"labels": labels, "pred": np.where(wrong, (labels + 1) % classes, labels)}


LOST, MORE, SAFE, OPEN = kept(0.2), kept(0.3, 0.3), kept(-0.05, -0.06, -0.07, -0.08), kept(0.01)


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        ({"a": LOST, "b": MORE}, "Keep base: neither arm should be shipped. Fewest classes are hurt under a (1)."),
        ({"a": LOST, "b": kept(0.19), "c": MORE}, "Keep base: none of the 3 arms should be shipped."),
        ({"a": LOST, "b": OPEN}, "Keep base for now: neither arm may be shipped yet. Undecided: b."),
        ({"a": OPEN, "b": kept(0.011)}, "Keep base for now: neither arm may be shipped yet."),
        ({"a": SAFE, "b": OPEN, "c": MORE}, "Of the 3 arms, only a may be shipped."),
        ({"a": SAFE, "b": kept(-0.09, -0.09, -0.09, -0.09)}, "b has the highest accuracy of these, perhaps by chance."),
        ({"a": SAFE, "b": kept(-0.05, -0.06, -0.08, -0.07)}, "Of the 2 arms, a and b may be shipped."),
        ({"a": LOST}, ""),
    ],
)
def test_what_to_do_with_several_arms_is_said_once(arms, words):
    found = audit_predictions(kept() | {"arm": "base"}, arms, refits=0)
    assert words in answer(found.comparisons)
    assert ("perhaps by chance" in answer(found.comparisons)) == ("perhaps by chance" in words)
    assert bool(words) == bool(answer(found.comparisons))
    assert found.verdict().startswith(answer(found.comparisons))


def test_a_baseline_that_may_be_guessing_is_not_recommended():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 50)
    guessed, better, worse = (rng.integers(0, 4, (3, 200)) for _ in range(3))
    better = np.where(rng.random((3, 200)) < 0.8, labels, better)
    base = {"labels": labels, "pred": guessed, "arm": "base"}
    arms = {name: {"labels": labels, "pred": pred} for name, pred in (("better", better), ("worse", worse))}
    found = audit_predictions(base, arms, refits=0)
    assert answer(found.comparisons) == ""
    assert "Keep" not in found.verdict()
    assert "the baseline may be guessing" in found.verdict()
