"""Predictions of real models, as their authors published them, each read with at most one option."""

import os
from pathlib import Path

import numpy as np
import pytest

from dropmix.audit import audit_predictions
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.sources import read, read_multilabel

HELD = Path(os.environ.get("DROPMIX_DATA", Path(__file__).parents[4] / "shared" / "data")) / "predictions"
needs = lambda name: pytest.mark.skipif(not (HELD / name).is_dir(), reason=f"{HELD / name} is not there")  # noqa: E731


@needs("imagenet-x")
def test_imagenet_with_labels_of_another_file():
    where = HELD / "imagenet-x"
    found = audit_predictions(where / "ResNet50.csv", where / "ViT.csv", labels=where / "filename_label.csv", refits=0)
    assert (found.only.baseline, found.only.arm) == ("ResNet50", "ViT")
    assert found.summary["n_examples"] == 50_000
    assert found.summary["accuracy_baseline"] == pytest.approx(0.7613)  # torchvision's own figure is 76.13
    assert found.summary["confidence_kind"] == "p_max"


@needs("imagenet-x")
def test_acceptable_labels_in_the_order_of_the_images():
    where = HELD / "imagenet-x"
    asked = Reading(labels=where / "filename_label.csv", accept=where / "real.json")
    (arm,) = read(where / "ResNet50.csv", "x", reading=asked)
    assert arm.accept is not None
    some = (arm.accept >= 0).any(axis=1)
    right = (arm.accept == arm.pred[0][:, None]).any(axis=1)
    assert some.sum() == 46_837
    assert right[some].mean() == pytest.approx(0.8296, abs=1e-4)


@needs("distortions")
@pytest.mark.parametrize("regime", ["sixteen03--uniform-noise-multiple", "sixteen08--low-pass-multiple"])
def test_sessions_with_different_images_are_one_test_set(regime):
    columns = {"label": "category", "pred": "object_response"}
    found = audit_predictions(
        HELD / "distortions/sixteen01v4", HELD / "distortions" / regime, columns=columns, refits=0
    )
    assert (found.only.baseline, found.only.arm) == ("sixteen01v4", regime)
    assert found.summary["n_examples"] == 8_960
    assert found.summary["seeds_baseline"] == 1
    assert len(found.class_names) == 16
    assert any("parts of one test set" in note for note in found.only.notes)


@needs("ecg")
def test_ten_networks_and_six_diagnoses():
    where = HELD / "ecg"
    found = read_multilabel(sorted(where.glob("model_*.npy")), labels=where / "gold_standard.csv")
    assert found.scores.shape == (10, 827, 6)
    assert found.names == ("1dAVb", "RBBB", "LBBB", "SB", "AF", "ST")
    assert sorted(found.seeds.tolist()) == list(range(1, 11))
    truth, pred = found.binary("AF")
    assert truth.sum() == 13
    np.testing.assert_array_equal(pred, found.scores[:, :, 4] >= 0.5)


@needs("imagenet-x")
def test_most_falls_of_a_class_are_other_acceptable_labels():
    where = HELD / "imagenet-x"
    files = {"labels": where / "filename_label.csv", "accept": where / "real.json"}
    found = audit_predictions(where / "ResNet50.csv", where / "ViT.csv", **files, refits=0)
    assert 0.8296 < found.summary["accuracy_baseline"] < 0.85  # examples whose class is not clear are left out
    s, c = found.summary, found.classes
    assert s["accuracy_baseline_as_labelled"] == pytest.approx(0.7613)
    assert (c["decision"].count("hurt"), s["n_hurt_as_labelled"]) == (
        s["n_hurt"],
        c["decision_as_labelled"].count("hurt"),
    )
    assert s["n_hurt"] < s["n_hurt_as_labelled"]
    assert (
        f"Hurt with acceptable labels: {s['n_hurt']} classes; as labelled: {s['n_hurt_as_labelled']},"
        in found.verdict()
    )
    kinds = [c[f"lost_to_{kind}"] for kind in ("acceptable", "shared", "unrelated")]
    assert np.isnan(c["lost_to_superclass"]).all()  # none were given
    np.testing.assert_allclose(sum(kinds), -c["recall_change_as_labelled"], atol=1e-6)
