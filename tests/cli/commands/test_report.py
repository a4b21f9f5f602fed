"""The report of a grid asked about protected classes."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.recipes import get_recipe


@pytest.fixture
def grid(tmp_path):
    """Three seeds of vanilla and of mixup, which loses half of class b and none of class a."""
    folder = tmp_path / "g"
    label = np.repeat([0, 1], 200)
    for spec in get_recipe("digits").model_copy(update={"methods": ("mixup",), "rates": (0.0,), "seeds": 3}).runs:
        place = folder / spec.folder_name
        place.mkdir(parents=True)
        (place / "spec.json").write_text(spec.to_json())
        pred = label.copy()
        pred[spec.seed : 200 : 20] = 1  # another ten pictures of class a in each seed, in both arms
        if spec.arm.method == "mixup":
            pred[200:300] = 0
        columns = {"arm": [spec.arm.name] * 400, "seed": [spec.seed] * 400, "example_id": np.arange(400)}
        table = pa.table(columns | {"label": label, "pred": pred})
        about = {"format": 1, "classes": ["a", "b"], "superclasses": None, "train_counts": [10, 10]}
        pq.write_table(table.replace_schema_metadata({"dropmix": json.dumps(about)}), place / "predictions.parquet")
        digest = hashlib.sha256((place / "predictions.parquet").read_bytes()).hexdigest()
        done = {"predictions_sha256": digest, "accuracy_last": 0.9, "seconds": 1.0, "environment": {}}
        (place / "done").write_text(json.dumps(done))
    return folder


def test_protected_classes_and_tolerance_as_in_audit(dropmix, grid) -> None:
    asked = ("--no-images", "--protect", "b")
    status, _, err = dropmix("report", grid, "--no-images")
    assert status == 0, err
    assert dropmix("report", grid, *asked)[0] == dropmix("audit", grid, *asked)[0] == 3
    settings = json.loads((grid / "report" / "audit.json").read_text())["settings"]
    assert settings["protect"] == ["b"]
    assert dropmix("report", grid, *asked, "--tolerance", "60")[0] == 0
    status, _, err = dropmix("report", grid, "--no-images", "--protect", "fox")
    assert (status, err.count("\n")) == (2, 1)
