"""What is saved is what the audit reads."""

import os
import subprocess
import sys

import numpy as np
import pytest

import dropmix
from dropmix.audit import AuditError
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.sources import read


@pytest.mark.parametrize("kind", ["numbers", "names", "probs", "named probs"])
def test_saved_is_read_back(tmp_path, rng, kind):
    classes = ["cat", "dog", "fox"]
    labels, ids = rng.integers(0, 2, 50), [f"{i}.jpg" for i in range(50)]
    probs = rng.dirichlet(np.ones(3), 50)
    pred = probs.argmax(axis=1)
    text = lambda values: [classes[v] for v in values]  # noqa: E731
    given = {
        "numbers": {"labels": labels, "pred": pred},
        "names": {"labels": text(labels), "pred": text(pred)},
        "probs": {"labels": labels.tolist(), "probs": probs},
        "named probs": {"labels": text(labels), "probs": probs},
    }[kind]
    path = dropmix.save_predictions(
        tmp_path / "new" / "a.parquet", **given, ids=ids, arm="m", seed=7, group=labels, classes=classes
    )
    (arm,) = read(path, "x")
    order = np.argsort(ids)
    assert (arm.arm, arm.seeds.tolist(), arm.class_names) == ("m", [7], tuple(classes))
    assert arm.labels.tolist() == labels[order].tolist()
    assert arm.pred[0].tolist() == pred[order].tolist()
    if "probs" in kind:
        np.testing.assert_allclose(arm.p_max[0], probs.max(axis=1)[order], rtol=1e-6)
    assert [p.name for p in path.parent.iterdir()] == ["a.parquet"]


def test_padding_of_a_distributed_sampler_is_dropped(tmp_path):
    path = dropmix.save_predictions(tmp_path / "a.parquet", [0, 1, 2, 0], [0, 1, 1, 0], ids=[5, 6, 7, 5])
    assert read(path, "x")[0].labels.tolist() == [0, 1, 2]
    with pytest.raises(AuditError, match="one label per id, got two for 5"):
        dropmix.save_predictions(tmp_path / "b.parquet", [0, 1, 2, 1], [0, 1, 1, 0], ids=[5, 6, 7, 5])


def test_only_rank_0_writes(tmp_path):
    code = "import sys, dropmix; dropmix.save_predictions(sys.argv[1], [0], [0])"
    for rank in ("1", "0"):
        assert not (tmp_path / "a.parquet").exists()
        subprocess.run(
            [sys.executable, "-c", code, tmp_path / "a.parquet"], env={**os.environ, "RANK": rank}, check=True
        )
    assert (tmp_path / "a.parquet").exists()
    assert not dropmix.save_predictions(tmp_path / "b.parquet", [0], [0], rank=3).exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pred": [0, 1]}, "arrays of one length, got label 1, pred 2"),
        ({}, "pred or probs, got neither"),
        ({"probs": [[0.9, 0.9]]}, "sum to 1"),
        ({"probs": [[0.5, 0.5]], "classes": ["a"]}, "with K = 1"),
        ({"pred": [float("nan")]}, "without gaps"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path, given, message):
    with pytest.raises(AuditError, match=message):
        dropmix.save_predictions(tmp_path / "a.parquet", [0], **given)
    with pytest.raises(AuditError, match=r"ends in \.parquet"):
        dropmix.save_predictions(tmp_path / "a.csv", [0], [0])
    assert not list(tmp_path.iterdir())


def test_slices_and_groups_are_read_back(tmp_path, rng):
    labels, camera = np.tile([0, 1], 100), np.array(["left", "right"])[rng.integers(0, 2, 200)]
    for arm, wrong in (("base", 10), ("mixup", 40)):
        pred = np.where(rng.permutation(200) < wrong, 1 - labels, labels)
        sides = {"camera": camera, "night": rng.integers(0, 2, 200)}
        dropmix.save_predictions(tmp_path / f"{arm}.parquet", labels, pred, ids=np.arange(200), by=sides)
    audit = dropmix.audit_predictions(tmp_path / "base.parquet", tmp_path / "mixup.parquet", by="camera", refits=0)
    assert audit.only.slices["n"].tolist() == [int((camera == side).sum()) for side in ("left", "right")]
    path = dropmix.save_predictions(tmp_path / "one.parquet", labels, labels, by=camera)
    assert read(path, "x", reading=Reading(by="by"))[0].by.tolist() == camera.tolist()
    with pytest.raises(AuditError, match="names of their own"):
        dropmix.save_predictions(tmp_path / "two.parquet", labels, labels, by={"pred": camera})


def test_several_labels_are_read_back(tmp_path, rng):
    truth, ids = (rng.random((300, 3)) < 0.3).astype(int), [f"{i}.dcm" for i in range(300)]
    hospital = np.array(["north", "south"])[rng.integers(0, 2, 300)]
    names, scores = ["AF", "ST", "LBBB"], {}
    for arm in ("old", "new"):
        for seed in (0, 1):
            scores[arm, seed] = np.clip(0.6 * truth + 0.5 * rng.random((300, 3)), 0, 1)
            dropmix.save_predictions(
                tmp_path / arm / f"seed{seed}.parquet",
                truth,
                probs=scores[arm, seed],
                ids=ids,
                classes=names,
                by={"hospital": hospital},
                truth=tmp_path / "truth.parquet",
            )
    read_back = dropmix.audit_predictions(
        tmp_path / "old", tmp_path / "new", labels=tmp_path / "truth.parquet", by="hospital", refits=0
    )
    arrays = [np.stack([scores[arm, seed] for seed in (0, 1)]).astype(np.float32) for arm in ("old", "new")]
    direct = dropmix.audit_predictions(*arrays, labels=truth, classes=names, by=hospital, refits=0)
    for key in ("recall_baseline", "recall_treated"):
        assert dict(zip(read_back.classes["class"], read_back.classes[key])) == dict(
            zip(direct.classes["class"], direct.classes[key])
        )
    assert read_back.only.slices["slice"] == ["north", "south"]
    with pytest.raises(AuditError, match="probs alone"):
        dropmix.save_predictions(tmp_path / "a.parquet", truth, probs=scores["old", 0], arm="old")
    with pytest.raises(AuditError, match=r"expected probs \(300, 3\)"):
        dropmix.save_predictions(tmp_path / "a.parquet", truth)
    with pytest.raises(AuditError, match="of 0 and 1"):
        dropmix.save_predictions(tmp_path / "a.parquet", truth * 2, probs=scores["old", 0])
