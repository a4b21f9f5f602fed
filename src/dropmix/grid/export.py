"""A finished run's network as a file for other programs, checked against the run's predictions before it is kept."""

import importlib.util
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from dropmix import __version__
from dropmix.data import Dataset, Files, Split
from dropmix.grid.data import load_data
from dropmix.grid.store import StoreError, inspect_run
from dropmix.msda.maps.network import logits_of
from dropmix.nets import build
from dropmix.nets.foreign import normalisation, python_call
from dropmix.text import is_text
from dropmix.train.checkpoint import load_run_weights
from dropmix.train.config import RunSpec
from dropmix.train.files import write_atomic
from dropmix.train.source import evaluation_source, normalised

FORMATS = (".onnx", ".pt2", ".safetensors")
MOST = 1000
"""Number of images on which the file is checked, spread over all predicted ones."""
CLOSE = {"fp32": 5e-3}
"""Largest accepted difference of probabilities; `ROUGH` for runs in half precision, which the file does not have."""
ROUGH = 0.05

Predict = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Exported:
    """A written file, and the result of its check.

    Args:
        path: the file.
        about: stored beside the network: classes, mean, std, size and origin.
        images: number of images in the check.
        difference: largest difference of a probability from the run's.
    """

    path: Path
    about: dict[str, Any]
    images: int
    difference: float


def export_run(folder: Path, to: Path, data: str | None) -> Exported:
    """Write the network of a finished run, and check it on the run's test images before the file gets its name.

    The network takes normalised images, float32 (B, C, H, W), to logits (B, K), for any B.

    Args:
        folder: the run's folder.
        to: path of the file; its ending chooses the format: `.onnx`, `.pt2` (torch.export) or `.safetensors` (weights
            alone, under the names of the network's parameters).
        data: folder of the images, as `dropmix run` takes it.
    Raises:
        ValueError: another ending, an unfinished run, a run on texts, other images than the run's, a missing package,
            or a file whose predictions differ from the run's.
    """
    if to.suffix not in FORMATS:
        raise ValueError(f"export: expected a file that ends in {', '.join(FORMATS)}, got {to.name}. Choose one.")
    needed = {".onnx": ("onnx", "onnxscript", "onnxruntime"), ".safetensors": ("safetensors",)}.get(to.suffix, ())
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"export: expected {', '.join(missing)} installed, got none. pip install 'dropmix[export]'.")
    spec = _finished(folder)
    dataset = load_data(spec, data)
    if dataset.fingerprint != spec.data.fingerprint:
        raise ValueError(
            f"export: expected the images that {folder.name} was trained on, got others in {data}. Name their folder "
            "with --data, as they were."
        )
    net = _network(spec, folder, dataset)
    if spec.data.normalize == "network":
        dataset = normalised(dataset, *normalisation(spec.network, net))
    about = _about(spec, folder, dataset)
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".export-", dir=to.parent, ignore_cleanup_errors=True) as name:
            part = Path(name)
            predict = WRITERS[to.suffix](net, about, part / to.name)
            images, difference = _check(predict, spec, folder, dataset)
            shutil.copyfile(part / to.name, part / "whole")  # with a new file's permissions, which some writers miss
            (part / "whole").replace(to)
    except OSError as error:  # about the file that was asked for, not about one in a hidden folder
        if error.errno is not None and ".export-" in str(error.filename):
            error.filename, error.filename2 = str(to), None
        raise
    return Exported(to, about, images, difference)


def read_about(path: Path) -> dict[str, Any]:
    """The metadata that an exported file holds beside the network.

    Raises:
        ValueError: another ending, or a file that `export_run` did not write.
    """
    if path.suffix == ".onnx":
        import onnx

        metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    elif path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, "pt") as stored:
            metadata = stored.metadata() or {}
    else:
        metadata = {"dropmix.json": ""}
        torch.export.load(path, extra_files=metadata)
        metadata = {"dropmix": metadata["dropmix.json"]}
    return json.loads(metadata["dropmix"])


def _finished(folder: Path) -> RunSpec:
    if not folder.is_dir():
        raise StoreError(f"{folder}: expected a run's folder, got nothing there. Check the path.")
    run = inspect_run(folder)
    if run.spec is None and run.state == "damaged":
        raise StoreError(f"{folder}: expected a finished run, got a damaged one: {run.cause}.")
    if not isinstance(run.spec, RunSpec):
        raise StoreError(f"{folder}: expected the folder of one run that dropmix trained, got none. Name such a run.")
    if is_text(run.spec.data.name):
        raise StoreError(f"{folder}: expected a run on images, got texts. Its weights.pt and vocabulary.json hold all.")
    if run.state != "done":
        raise StoreError(
            f"{folder}: expected a finished run, got one that is {run.state}"
            f"{f' ({run.cause})' if run.cause else ''}. Run the grid first."
        )
    if not (folder / "weights.pt").is_file():
        raise StoreError(f"{folder}: expected weights.pt, got none. Copy it along, or run the grid again.")
    return run.spec


def _network(spec: RunSpec, folder: Path, dataset: Dataset) -> nn.Module:
    channels, side, _ = dataset.train.shape
    with torch.random.fork_rng(devices=[]):
        net = build(spec.network, len(dataset.classes), channels, side)
    load_run_weights(net, folder, spec.hash)
    return net.eval()


def _about(spec: RunSpec, folder: Path, dataset: Dataset) -> dict[str, Any]:
    _, height, width = dataset.train.shape
    side = width * 8 // 7 if isinstance(dataset.test, Files) else width
    turned = "turned by their EXIF orientation; " if spec.data.exif else ""
    cut = (
        f"{turned}the shorter side is resized to {side} pixels, bilinear with antialiasing, and the centre is cut out, "
        f"as torchvision's Resize({side}) and CenterCrop({width}) do with a PIL picture"
    )
    return {
        "input": "float32 (B, C, H, W), (value / 255 - mean) / std",
        "output": "logits (B, K)",
        "classes": dataset.classes,
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "size": [height, width],
        "images": cut if spec.data.size else "as they are",
        "network": spec.network,
        "make": python_call(spec.network, len(dataset.classes), len(dataset.mean), width),
        "arm": spec.arm.name,
        "seed": spec.seed,
        "run": folder.name,
        "dropmix": __version__,
    }


def _safetensors(net: nn.Module, about: dict[str, Any], path: Path) -> Predict:
    from safetensors.torch import load_file, save

    # Copies, because the format refuses tensors that share memory.
    state = {name: value.clone().contiguous() for name, value in net.state_dict().items()}
    write_atomic(path, save(state, metadata={"dropmix": json.dumps(about)}))
    net.load_state_dict(load_file(path))
    return lambda x: logits_of(net(x))


def _example(about: dict[str, Any]) -> Tensor:
    return torch.zeros(2, len(about["mean"]), *about["size"])  # two, because a single image would fix B at 1


class _Logits(nn.Module):
    """A network that returns only the logits, whatever else the wrapped one returns."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return logits_of(self.net(x))


def _program(net: nn.Module, about: dict[str, Any]) -> torch.export.ExportedProgram:
    wrapped = _Logits(net).eval()
    try:
        return torch.export.export(wrapped, (_example(about),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    except Exception as error:  # any code of the network that torch.export cannot follow
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"export: expected a network that torch.export can follow, got {about['network']}: {reason}. "
            "Export its weights, e.g. --to model.safetensors."
        ) from error


def _pt2(net: nn.Module, about: dict[str, Any], path: Path) -> Predict:
    made = BytesIO()  # torch's own writer aborts the process on a full disk
    torch.export.save(_program(net, about), made, extra_files={"dropmix.json": json.dumps(about)})
    write_atomic(path, made.getvalue())
    return torch.export.load(path).module()


def _onnx(net: nn.Module, about: dict[str, Any], path: Path) -> Predict:
    import onnxruntime

    program = _program(net, about)
    told = StringIO()
    with warnings.catch_warnings(), redirect_stdout(told), redirect_stderr(told):  # it prints a lot
        warnings.simplefilter("ignore")
        made = torch.onnx.export(program, input_names=["images"], output_names=["logits"], verbose=False)
        assert made is not None
    model = made.model_proto
    model.metadata_props.add(key="dropmix", value=json.dumps(about))
    write_atomic(path, model.SerializeToString())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"images": x.contiguous().numpy()})[0])


WRITERS: dict[str, Callable[[nn.Module, dict[str, Any], Path], Predict]] = {
    ".safetensors": _safetensors,
    ".pt2": _pt2,
    ".onnx": _onnx,
}


@torch.no_grad()
def _check(predict: Predict, spec: RunSpec, folder: Path, dataset: Dataset) -> tuple[int, float]:
    """Number of images, and the largest difference of a probability; an error if it is too large or a class differs."""
    target = dataset.judged
    assert isinstance(target, Split | Files)
    rows = np.unique(np.linspace(0, len(target) - 1, min(MOST, len(target))).astype(np.int64))
    table = pq.read_table(folder / "predictions.parquet", columns=["example_id", "pred", "p_true", "p_max"]).take(rows)
    some = {"labels": target.labels[rows], "ids": target.ids[rows]}
    part = replace(target, **some, images=target.images[rows]) if isinstance(target, Split) else replace(target, **some)
    if table["example_id"].to_pylist() != part.ids.tolist():
        raise ValueError(f"{folder}: expected predictions of the run's own images in their order, got others.")
    cpu = torch.device("cpu")
    logits = torch.cat([predict(x) for _, x in evaluation_source(part, dataset, cpu).plain()])
    own = logits.softmax(1)
    of_run = {name: torch.tensor(table[name].to_numpy()) for name in ("pred", "p_true", "p_max")}
    labels = torch.from_numpy(part.labels)[:, None]
    difference = max(
        float((own.gather(1, labels)[:, 0] - of_run["p_true"]).abs().max()),
        float((own.max(1).values - of_run["p_max"]).abs().max()),
    )
    close = CLOSE.get(spec.train.precision, ROUGH)
    # A near tie may go either way.
    short = own.max(1).values - own.gather(1, of_run["pred"].long()[:, None])[:, 0]
    if not (difference <= close and float(short.max()) <= 2 * close):
        raise ValueError(
            f"export: expected the predictions of {folder.name} within {close:g}, got probabilities up to "
            f"{max(difference, float(short.max())):.3g} away on {len(rows)} images. Nothing was written."
        )
    return len(rows), difference
