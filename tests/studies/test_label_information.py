"""Label information against a loop over pairs, and the rank correlation against scipy."""

import csv

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from dropmix.studies.label_information import label_information, rank_correlation

LABELS = np.repeat(np.arange(4), 6)
IMAGES = torch.randn(24, 3, 4, 4, generator=torch.Generator().manual_seed(0))
WEIGHT = torch.randn(48, 4, generator=torch.Generator().manual_seed(1))


def predict(x):
    return x.flatten(1) @ WEIGHT


def ask(**options):
    return label_information(lambda rows: IMAGES[rows], LABELS, predict, list("abcd"), **options)


def test_every_pair_equals_a_loop():
    found = ask(partners=3, strengths=np.array([0.0, 0.3, 1.0]), seed=4)
    assert found.confidence.shape == (72, 3)
    assert (found.own != found.partner).all()
    assert (np.bincount(found.own) == 18).all()
    # The partners drawn are not given back, only their classes: each value must come from some image of that class.
    for own, partner, (unmixed, mixed, replaced) in zip(found.own, found.partner, found.confidence):
        rows, others = np.flatnonzero(own == LABELS), np.flatnonzero(partner == LABELS)
        values = {
            (i, j): [
                predict(((1 - s) * IMAGES[i] + s * IMAGES[j])[None]).softmax(1)[0, own].item() for s in (0, 0.3, 1)
            ]
            for i in rows
            for j in others
        }
        assert any(np.allclose(v, (unmixed, mixed, replaced), atol=1e-5) for v in values.values())


def test_curves_and_areas_are_means_over_pairs(tmp_path):
    found = ask(partners=2, seed=1)
    curves = np.stack([found.confidence[found.own == k].mean(axis=0) for k in range(4)])
    assert np.allclose(found.curves(), curves)
    steps = np.diff(found.strengths)
    assert np.allclose(found.area(), ((curves[:, 1:] + curves[:, :-1]) / 2 * steps).sum(axis=1))
    assert np.allclose(found.kept(), found.area() / curves[:, 0])
    found.save(tmp_path / "x.csv")
    rows = list(csv.DictReader((tmp_path / "x.csv").open()))
    assert sum(int(row["pairs"]) for row in rows if row["strength"] == "0") == len(found.own)
    first = [float(r["confidence"]) * int(r["pairs"]) for r in rows if (r["class"], r["strength"]) == ("a", "0.5")]
    assert sum(first) / 12 == pytest.approx(curves[0, 5], abs=1e-5)


def test_per_class_limits_the_images_and_the_seed_repeats_the_draw():
    one, same, other = (ask(partners=2, per_class=3, seed=seed) for seed in (5, 5, 6))
    assert (np.bincount(one.own) == 6).all()
    assert np.array_equal(one.confidence, same.confidence)
    assert not np.array_equal(one.confidence, other.confidence)


def test_a_class_without_images_has_no_curve():
    found = label_information(lambda rows: IMAGES[rows], LABELS, predict, [*"abcde"], partners=1)
    assert np.isnan(found.curves()[4]).all()
    assert np.isfinite(found.curves()[:4]).all()


@pytest.mark.parametrize("strengths", [[0.1, 1], [0, 0.5], [0, 0.5, 0.5, 1], [0]])
def test_strengths_must_rise_from_0_to_1(strengths):
    with pytest.raises(ValueError, match="rise from 0 to 1"):
        ask(strengths=np.array(strengths))


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="two classes"):
        label_information(lambda rows: IMAGES[rows], np.zeros(24, np.int64), predict, list("abcd"))


def test_rank_correlation_equals_scipys_and_its_interval_covers():
    rng = np.random.default_rng(0)
    a = np.round(rng.standard_normal(60), 1)  # with ties
    b = np.where(np.arange(60) < 5, np.nan, a + rng.standard_normal(60))
    got = rank_correlation(a, b)
    assert got.value == pytest.approx(spearmanr(a[5:], b[5:])[0])
    assert got.classes == 55
    assert got.low < got.value < got.high
    covered = 0
    for rep in range(40):
        x = rng.standard_normal((2, 80))
        found = rank_correlation(x[0], x[1], refits=300, seed=rep)
        covered += found.low <= 0 <= found.high
    assert 30 <= covered <= 40  # 90 % of 40, +- 3 sd
    with pytest.raises(ValueError, match="4 classes"):
        rank_correlation(a[:6], b[:6])
