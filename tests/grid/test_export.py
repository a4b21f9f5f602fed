"""Exported files predict what the run predicted, given only pictures and the file."""

import contextlib
import inspect
import json
import os
import resource
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.transforms import v2

import dropmix.nets
from dropmix.grid.data import load_data
from dropmix.grid.export import FORMATS, export_run, read_about
from dropmix.grid.store import StoreError, create_run
from dropmix.train.config import Data, RunSpec, Schedule, Train
from dropmix.train.files import refusal
from dropmix.train.loop import train_run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for label, tint in enumerate(((200, 60, 60), (60, 200, 60), (60, 60, 200))):
        for split, count in (("train", 10), ("test", 8)):
            (folder / split / f"class{label}").mkdir(parents=True)
            for i in range(count):
                pixels = np.clip(rng.normal(tint, 50, (20, 26, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / split / f"class{label}" / f"{i}.png")
    return folder


def trained(pictures: Path, out: Path, network: str = "wrn10-1", **data) -> Path:
    settings = Data(name="folder", size=16, **data)
    train = Train(epochs=2, batch=6, lr=0.05, ema=0.5, schedule=Schedule(kind="cosine"))
    spec = RunSpec(network=network, data=settings, train=train)
    dataset = load_data(spec, str(pictures))
    spec = spec.model_copy(update={"data": settings.model_copy(update={"fingerprint": dataset.fingerprint})})
    folder = create_run(out, spec)
    assert train_run(spec, folder, dataset, torch.device("cpu")) == "done"
    return folder


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory) -> Path:
    return trained(pictures, tmp_path_factory.mktemp("runs"), normalize="network")


def predictor(path: Path):
    """What a stranger does with each kind of file."""
    if path.suffix == ".onnx":
        ort = pytest.importorskip("onnxruntime")
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, {"images": x.numpy()})[0]
    if path.suffix == ".pt2":
        module = torch.export.load(path).module()
        return lambda x: module(x).detach().numpy()
    timm = pytest.importorskip("timm")
    about = read_about(path)
    net = eval(about["make"], {"dropmix": dropmix, "timm": timm, "torchvision": torchvision, "small": small})
    net.load_state_dict(pytest.importorskip("safetensors.torch").load_file(path))
    net.eval()
    return lambda x: net(x).detach().numpy()


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_stranger_gets_the_predictions_of_the_run(tmp_path, pictures, run, suffix):
    if suffix == ".onnx":
        pytest.importorskip("onnxscript")
    path = tmp_path / "made" / f"model{suffix}"
    done = export_run(run, path, str(pictures))
    assert (done.images, done.difference < 1e-4) == (24, True)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    about, predict = read_about(path), predictor(path)
    assert about["classes"] == ["class0", "class1", "class2"]
    assert about["mean"] == [0.485, 0.456, 0.406]
    rows = pq.read_table(run / "predictions.parquet").to_pylist()
    assert rows[0]["example_id"] == "test/class0/0.png"
    xs = []
    for row in rows:
        picture = Image.open(pictures / row["example_id"]).resize((20, 16), Image.Resampling.BILINEAR)
        pixels = np.asarray(picture.crop((2, 0, 18, 16)), np.float32)
        xs.append((pixels / 255 - about["mean"]) / about["std"])
    x = torch.tensor(np.stack(xs), dtype=torch.float32).permute(0, 3, 1, 2).contiguous()
    logits = np.concatenate([predict(x[:1]), predict(x[1:4]), predict(x[4:])])  # any number of images at a time
    assert logits.argmax(1).tolist() == [row["pred"] for row in rows]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert shares.max(1) == pytest.approx([row["p_max"] for row in rows], abs=1e-4)


def small(num_classes: int, in_channels: int) -> nn.Module:
    """A network that a user keeps in a file."""
    body = nn.Sequential(nn.Conv2d(in_channels, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(8, num_classes))


@pytest.mark.parametrize("network", ["torchvision:mobilenet_v3_small", "timm:test_vit", "net.py:small", "wrn10-1"])
def test_weights_of_any_network_in_its_own_library(tmp_path, pictures, monkeypatch, network):
    pytest.importorskip("timm")
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text("from torch import nn\n\n\n" + inspect.getsource(small))
    folder = trained(pictures, tmp_path / "runs", network, normalize="network", exif=True)
    about = export_run(folder, tmp_path / "m.safetensors", str(pictures)).about
    assert "Resize(16) and CenterCrop(16)" in about["images"]
    seen = v2.Compose([v2.Resize(16), v2.CenterCrop(16), v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
                       v2.Normalize(about["mean"], about["std"])])  # fmt: skip
    rows = pq.read_table(folder / "predictions.parquet").to_pylist()
    x = torch.stack([seen(Image.open(pictures / row["example_id"])) for row in rows])
    shares = torch.tensor(predictor(tmp_path / "m.safetensors")(x)).softmax(1)
    assert shares.argmax(1).tolist() == [row["pred"] for row in rows]
    assert shares.max(1).values.tolist() == pytest.approx([row["p_max"] for row in rows], abs=1e-5)


def test_pictures_left_in_their_files_and_a_network_of_timm(tmp_path, pictures):
    pytest.importorskip("timm")
    folder = trained(pictures, tmp_path / "runs", "timm:test_resnet", resized_crop=True)
    done = export_run(folder, tmp_path / "m.pt2", str(pictures))
    assert done.images == 24
    assert "resized to 18 pixels" in done.about["images"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_full_disk_is_told_of_the_file_that_was_asked_for(tmp_path, pictures, run, suffix):
    if suffix == ".onnx":
        pytest.importorskip("onnxscript")
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"old")
    child = os.fork()
    if not child:  # a limit cannot be raised again
        with contextlib.suppress(BaseException):
            resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
            try:
                export_run(run, path, str(pictures))
            except OSError as error:
                os._exit(refusal(error).startswith(f"{path}: expected free disk space, got none."))
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_file_that_predicts_otherwise_is_not_written(tmp_path, pictures):
    folder = trained(pictures, tmp_path / "runs")
    stored = torch.load(folder / "weights.pt", weights_only=True)
    stored["model"]["classifier.bias"][1] += 5
    torch.save(stored, folder / "weights.pt")
    done = json.loads((folder / "done").read_text())
    del done["weights_sha256"]  # as runs of older versions, which did not note it
    (folder / "done").write_text(json.dumps(done))
    with pytest.raises(ValueError, match="Nothing was written"):
        export_run(folder, tmp_path / "m.safetensors", str(pictures))
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]


def test_what_cannot_be_exported_is_refused(tmp_path, pictures, run):
    with pytest.raises(ValueError, match=r"ends in .onnx, .pt2, .safetensors, got m.pth"):
        export_run(run, tmp_path / "m.pth", str(pictures))
    with pytest.raises(StoreError, match="got nothing there"):
        export_run(run / "x", tmp_path / "m.pt2", str(pictures))
    with pytest.raises(StoreError, match="the folder of one run"):
        export_run(run.parent, tmp_path / "m.pt2", str(pictures))
    (tmp_path / "other").symlink_to(pictures)
    folder = trained(pictures, tmp_path / "runs")
    (folder / "done").rename(tmp_path / "done")
    with pytest.raises(StoreError, match="expected a finished run"):
        export_run(folder, tmp_path / "m.pt2", str(pictures))
    (tmp_path / "done").rename(folder / "done")
    content = json.loads((folder / "spec.json").read_text())
    content["data"]["fingerprint"] = "0"
    folder = folder.rename(tmp_path / "runs" / "mine")  # a name without a hash, which the change would contradict
    (folder / "spec.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="Name their folder with --data"):
        export_run(folder, tmp_path / "m.pt2", str(pictures))
