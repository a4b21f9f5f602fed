"""The report shows the pictures that a hurt class lost, wherever they lie, or says why it cannot."""

import base64
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.save import write_run
from dropmix.grid.store import DATA, create_run, remember_data
from dropmix.train.config import Arm, Data, RunSpec, Train

CLASSES, EACH, SEEDS = ("fox", "owl"), 40, 4


def tint(i: int) -> int:
    """Every picture has a gray of its own, so that a thumbnail tells which it is."""
    return 10 + 2 * i


def pictures(folder: Path) -> list[str]:
    """A folder of pictures of different sizes; returns ids of the test split in order."""
    for split in ("train", "test"):
        for label, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for i in range(EACH):
                pixels = np.full((30 + i, 50, 3), (tint(i), tint(i), 255 if label else 0), np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i:02}.png")
    return [f"test/{name}/{i:02}.png" for name in CLASSES for i in range(EACH)]


def tables(folder: Path) -> list[int]:
    """The same test pictures as a parquet file; returns row numbers."""
    folder.mkdir()
    for split in ("train", "test"):
        cells, labels = [], []
        for label, name in enumerate(CLASSES):
            for i in range(EACH):
                stored = io.BytesIO()
                Image.fromarray(np.full((9, 9, 3), (tint(i), tint(i), 255 if label else 0), np.uint8)).save(
                    stored, "PNG"
                )
                cells.append({"bytes": stored.getvalue()})
                labels.append(name)
        pq.write_table(pa.table({"image": cells, "label": labels}), folder / f"{split}.parquet")
    return list(range(2 * EACH))


def grid(out: Path, ids: list, **data) -> None:
    """Finished runs of which Mixup loses the first ten foxes."""
    labels = np.repeat([0, 1], EACH).astype(np.int32)
    for arm in (Arm(), Arm(name="mixup", method="mixup", options={"alpha": 1.0})):
        for seed in range(SEEDS):
            settings = Data(name="folder", size=8, fingerprint="f", **data)
            spec = RunSpec(arm=arm, seed=seed, network="wrn10-1", data=settings, train=Train(epochs=1, lr=0.1))
            pred = labels.copy()
            pred[20 + seed] = pred[50 + seed] = 1 - pred[20 + seed]
            if arm.method == "mixup":
                pred[:10] = 1
            folder = create_run(out, spec)
            found = Predictions(
                arm.name, labels, pred[None], np.array([seed]), np.array(ids, object), class_names=CLASSES
            )
            if isinstance(ids[0], int):
                found = Predictions(arm.name, labels, pred[None], np.array([seed]), np.array(ids), class_names=CLASSES)
            digest = write_run(found, arm.name, seed, folder / "predictions.parquet")
            done = {"predictions_sha256": digest, "accuracy_last": 0.9, "seconds": 1.0, "environment": {}}
            (folder / "done").write_text(json.dumps(done))


def shown(page: Path) -> list[Image.Image]:
    sources = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', page.read_text())
    return [Image.open(io.BytesIO(base64.b64decode(source))) for source in sources]


@pytest.mark.parametrize("lay_out", [pictures, tables])
def test_the_page_shows_what_was_lost(dropmix, tmp_path, lay_out):
    ids = lay_out(tmp_path / "photos")
    grid(tmp_path / "g", ids)
    remember_data(tmp_path / "g", "photos")
    status, _, err = dropmix("report", "g")
    assert status == 0, err
    page = tmp_path / "g" / "report" / "report.html"
    found = shown(page)
    assert len(found) == 7
    for i, picture in enumerate(found):
        assert max(picture.size) <= 112
        red, green, blue = np.asarray(picture.convert("RGB"), int).reshape(-1, 3).mean(0)
        assert abs(red - tint(i)) < 4
        assert abs(green - tint(i)) < 4
        assert blue < 10
    text = re.sub(r"<[^>]+>", "", page.read_text())
    assert "Test examples that were lost" in text
    assert re.search(r"owl in 4 of 4 seeds\.\s+vanilla: wrong in 0 of 4", text)
    status, _, _ = dropmix("report", "g", "--no-images")
    assert status == 0
    assert not shown(page)
    assert "Test examples that were lost" in page.read_text()


def test_pictures_that_moved_are_named_and_can_be_pointed_to(dropmix, tmp_path):
    ids = pictures(tmp_path / "photos")
    grid(tmp_path / "g", ids)
    page = tmp_path / "a" / "report.html"
    assert dropmix("audit", "g", "--out", "a")[0] == 0
    assert "the place is not known. Name their folder with --data." in page.read_text()
    remember_data(tmp_path / "g", str(tmp_path / "photos"))
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    assert dropmix("audit", "g", "--out", "a")[0] == 0
    assert re.search(r"The pictures are not shown: \S+/photos \(.*\)\. Name their folder", page.read_text())
    assert not shown(page)
    assert 'title="test/fox/00.png"' in page.read_text()
    status, _, err = dropmix("audit", "g", "--out", "a", "--data", "elsewhere", "--protect", "fox")
    assert status == 3, err
    assert len(shown(page)) == 7
    shutil.move(tmp_path / "elsewhere" / "test" / "fox" / "00.png", tmp_path / "x.png")
    assert dropmix("audit", "g", "--out", "a", "--data", "elsewhere")[0] == 0
    assert len(shown(page)) == 6
    assert "Some pictures are not shown: elsewhere no longer holds them as they were." in page.read_text()


def test_folds_find_their_pictures_in_both_splits(dropmix, tmp_path):
    pictures(tmp_path / "photos")
    ids = [f"{split}/{name}/{i:02}.png" for name in CLASSES for split in ("test", "train") for i in range(EACH)][::2]
    out = tmp_path / "g"
    grid(out, ids, folds=2, fold=0)
    others = [re.sub(r"(\d)\.png", lambda m: f"{int(m[1]) + 1}.png", i) for i in ids]
    grid(out, others, folds=2, fold=1)
    status, _, err = dropmix("report", "g", "--data", "photos")
    assert status == 0, err
    assert len(shown(out / "report" / "report.html")) == 7


def test_a_run_notes_where_its_pictures_lie(dropmix, tmp_path):
    pictures(tmp_path / "photos")
    command = "run folder --data photos --set data.size=8 --set network=wrn10-1 --methods vanilla --seeds 1 --epochs 1"
    status, _, err = dropmix(*command.split(), "--workers", 1, "--out", "g")
    assert status == 0, err
    assert (tmp_path / "g" / DATA).read_text() == f"{tmp_path / 'photos'}\n"
