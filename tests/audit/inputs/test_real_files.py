"""Predictions of real models, as their authors published them, each read with at most one option."""

from itertools import combinations

import numpy as np
import pytest

from dropmix.audit import audit_predictions
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.sources import read


def test_imagenet_with_labels_of_another_file(real_data):
    where = real_data("predictions/imagenet-x")
    found = audit_predictions(where / "ResNet50.csv", where / "ViT.csv", labels=where / "filename_label.csv", refits=0)
    assert (found.only.baseline, found.only.arm) == ("ResNet50", "ViT")
    assert found.summary["n_examples"] == 50_000
    assert found.summary["accuracy_baseline"] == pytest.approx(0.7613)  # torchvision's own figure is 76.13
    assert found.summary["confidence_kind"] == "p_max"


def test_acceptable_labels_in_the_order_of_the_images(real_data):
    where = real_data("predictions/imagenet-x")
    asked = Reading(labels=where / "filename_label.csv", accept=where / "real.json")
    (arm,) = read(where / "ResNet50.csv", "x", reading=asked)
    assert arm.accept is not None
    some = (arm.accept >= 0).any(axis=1)
    right = (arm.accept == arm.pred[0][:, None]).any(axis=1)
    assert some.sum() == 46_837
    assert right[some].mean() == pytest.approx(0.8296, abs=1e-4)


@pytest.mark.parametrize("regime", ["sixteen03--uniform-noise-multiple", "sixteen08--low-pass-multiple"])
def test_sessions_with_different_images_are_one_test_set(real_data, regime):
    where = real_data("predictions/distortions")
    columns = {"label": "category", "pred": "object_response"}
    found = audit_predictions(where / "sixteen01v4", where / regime, columns=columns, refits=0)
    assert (found.only.baseline, found.only.arm) == ("sixteen01v4", regime)
    assert found.summary["n_examples"] == 8_960
    assert found.summary["seeds_baseline"] == 1
    assert len(found.class_names) == 16
    assert any("parts of one test set" in note for note in found.only.notes)


def test_ten_networks_and_six_diagnoses(real_data):
    where = real_data("predictions/ecg")
    files = sorted(where.glob("model_*.npy"))
    found = audit_predictions(files[:5], {"new": files[5:]}, labels=where / "gold_standard.csv", refits=0)
    truth = np.genfromtxt(where / "gold_standard.csv", delimiter=",", skip_header=1).astype(bool)
    row = found.by_class["AF sensitivity"]
    assert row["n"] == truth[:, 4].sum() == 13
    scores = np.stack([np.load(file)[:, 4] for file in files[:5]])
    assert row["recall_baseline"] == pytest.approx((scores >= 0.5)[:, truth[:, 4]].mean())
    assert (found.summary["n_classes"], found.summary["n_examples"]) == (18, 827)
    assert found.summary["seeds_baseline"] == 5


def test_halves_of_one_network_s_seeds_are_not_told_apart(real_data):
    """All 126 splits are in benchmarks/results/audit.md; here are some."""
    where = real_data("predictions/ecg")
    files = [where / f"model_{i}.npy" for i in range(1, 11)]
    splits = [s for s in combinations(range(10), 5) if 0 in s][::9]
    calls = uneven = 0
    for split in splits:
        one, other = ([f for i, f in enumerate(files) if (i in split) == inside] for inside in (True, False))
        c = audit_predictions(one, {"other": other}, labels=where / "gold_standard.csv", refits=0).only
        calls += "hurt" in c.classes["decision"]
        uneven += c.summary["heterogeneity_p"] < 0.05
        assert c.summary["n_hurt_low"] == 0
    assert len(splits) == 14
    assert max(calls, uneven) <= 1


def test_most_falls_of_a_class_are_other_acceptable_labels(real_data):
    where = real_data("predictions/imagenet-x")
    files = {"labels": where / "filename_label.csv", "accept": where / "real.json"}
    found = audit_predictions(where / "ResNet50.csv", where / "ViT.csv", **files, refits=0)
    assert 0.8296 < found.summary["accuracy_baseline"] < 0.85  # examples whose class is not clear are left out
    s, c = found.summary, found.classes
    assert s["accuracy_baseline_as_labelled"] == pytest.approx(0.7613)
    assert (c["decision"].count("hurt"), s["n_hurt_as_labelled"]) == (
        s["n_hurt"],
        c["decision_as_labelled"].count("hurt"),
    )
    assert s["n_hurt"] <= s["n_hurt_as_labelled"]
    assert (
        f"Hurt with acceptable labels: {s['n_hurt']} classes; as labelled: {s['n_hurt_as_labelled']},"
        in found.verdict()
    )
    kinds = [c[f"lost_to_{kind}"] for kind in ("acceptable", "shared", "unrelated")]
    assert np.isnan(c["lost_to_superclass"]).all()  # none were given
    np.testing.assert_allclose(sum(kinds), -c["recall_change_as_labelled"], atol=1e-6)
