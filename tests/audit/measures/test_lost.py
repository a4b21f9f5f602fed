"""Images that went from right to wrong: against a plain loop, and which classes are asked for."""

import numpy as np
import pytest

from dropmix.audit import audit_predictions
from dropmix.audit.measures.lost import FEW, MOST


def arm(pred, labels, ids=None, names=("fox", "owl", "elk")):
    found = {"labels": np.array(names)[labels], "pred": np.array(names)[pred]}
    return found if ids is None else found | {"example_id": ids}


@pytest.fixture(scope="module")
def predicted():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 200)
    base = np.where(rng.random((4, 600)) < 0.9, labels, (labels + 1) % 3)
    skill = np.where(labels == 0, 0.55, 0.9)
    new = np.where(rng.random((5, 600)) < skill, labels, np.where(rng.random((5, 600)) < 0.3, 1, 2))
    return labels, base, new


def test_the_images_of_a_hurt_class_are_those_of_a_plain_loop(predicted):
    labels, base, new = predicted
    ids = np.array([f"{'abc'[k]}/{i:03}.png" for i, k in enumerate(labels)])
    found = audit_predictions(arm(base, labels, ids), arm(new, labels, ids), refits=0).only
    assert [c for c, word in zip(found.classes["class"], found.classes["decision"]) if word == "hurt"] == ["fox"]
    expected = {}
    for i in range(200):
        wrong0, wrong1 = int((base[:, i] != 0).sum()), int((new[:, i] != 0).sum())
        if wrong1 / 5 > 0.5 and wrong0 / 4 <= FEW:
            called = new[new[:, i] != 0, i].tolist()
            expected[ids[i]] = (wrong1, wrong0, max(called.count(k) for k in (1, 2)))
    assert len(expected) > MOST == len(found.lost)
    for image in found.lost:
        assert found.classes["class"][image.position] == "fox"
        assert (image.wrong_treated, image.wrong_baseline, image.times) == expected[image.id]
        row = list(ids).index(image.id)
        assert image.times == (np.array(["fox", "owl", "elk"])[new[:, row]] == image.called).sum()
    falls = [image.wrong_treated / 5 - image.wrong_baseline / 4 for image in found.lost]
    assert falls == sorted(falls, reverse=True)
    assert falls[-1] >= max(
        w1 / 5 - w0 / 4 for i, (w1, w0, _) in expected.items() if i not in {x.id for x in found.lost}
    )


def test_protected_classes_that_are_not_safe_come_after_hurt_ones(predicted):
    labels, base, new = predicted
    new = new.copy()
    new[:, 200:204] = 2  # the owl falls by two points: neither hurt nor safe
    new[:, 204:400] = base[[0, 1, 2, 3, 0], 204:400]
    ids = np.arange(600)
    plain = audit_predictions(arm(base, labels, ids), arm(new, labels, ids), refits=0).only
    asked = audit_predictions(arm(base, labels, ids), arm(new, labels, ids), refits=0, protect=["owl"]).only
    names = lambda c: [c.classes["class"][image.position] for image in c.lost]  # noqa: E731
    assert set(names(plain)) == {"fox"}
    assert names(asked)[:MOST] == ["fox"] * MOST
    assert set(names(asked)[MOST:]) == {"owl"}


def test_without_ids_no_image_is_named(predicted):
    labels, base, new = predicted
    assert audit_predictions(arm(base, labels), arm(new, labels), refits=0).only.lost == []
