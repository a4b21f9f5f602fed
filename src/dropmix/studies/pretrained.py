"""A trained network and images for it to predict, from a run or from the user's own network and pictures."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dropmix.data import Files
from dropmix.data.catalog import IMAGENET_MEAN, IMAGENET_STD
from dropmix.data.decode import decode_all
from dropmix.data.readers.folder import list_images
from dropmix.data.readers.walk import ENDINGS, subfolders
from dropmix.data.records import Texts
from dropmix.data.resident import Resident
from dropmix.data.stream import Stream
from dropmix.grid.data import load_data
from dropmix.grid.store import inspect_run
from dropmix.nets import build
from dropmix.nets.foreign import normalisation
from dropmix.train.checkpoint import load_run_weights
from dropmix.train.config import RunSpec
from dropmix.train.source import normalised


@dataclass(frozen=True)
class NetworkQuestion:
    """Images, and the network that predicts them.

    Args:
        batch: rows (n,), int64 -> normalised images (n, C, H, W), float32.
        labels: class of each row, (N,), int64.
        predict: images -> logits (n, K), in eval mode.
        classes: K names.
        model: the network itself.
    """

    batch: Callable[[Tensor], Tensor]
    labels: np.ndarray
    predict: Callable[[Tensor], Tensor]
    classes: list[str]
    model: nn.Module


def of_run(run: Path, images: Path | None, device: torch.device) -> NetworkQuestion:
    """A finished run, with the test images of its data set.

    Args:
        run: a finished run's folder.
        images: folder of the data set; None for the digits.
        device: where to compute.
    Raises:
        ValueError: not a finished run with its weights.
    """
    if not (run / "spec.json").is_file():
        raise ValueError(f"{run}: expected a finished run with spec.json, got none there. Name a run's folder.")
    found = inspect_run(run)
    spec = found.spec
    if not isinstance(spec, RunSpec) or found.state == "damaged":
        got = f"a damaged one: {found.cause}" if found.cause else "one of a program of your own"
        raise ValueError(f"{run}: expected a finished run, got {got}. Name another run's folder.")
    if not (run / "weights.pt").is_file():
        raise ValueError(f"{run}: expected a finished run with weights.pt, got none there. Name a run's folder.")
    dataset = load_data(spec, None if images is None else str(images))
    if isinstance(dataset.test, Texts):
        raise ValueError(f"{run}: expected a run on images, got one on texts. Name another run.")
    if dataset.fingerprint != spec.data.fingerprint:
        raise ValueError(
            f"{images}: expected the images that {run.name} was trained on, got others. Name their folder."
        )
    model = build(spec.network, len(dataset.classes), dataset.test.shape[0], dataset.test.shape[1])
    load_run_weights(model, run, spec.hash)
    if spec.data.normalize == "network":
        dataset = normalised(dataset, *normalisation(spec.network, model))
    split = dataset.test
    assert not isinstance(split, Texts)
    if isinstance(split, Files):
        test = Stream(split, dataset.mean, dataset.std, device)
    else:
        test = Resident(split, dataset.mean, dataset.std, device)
    return NetworkQuestion(test.batch, split.labels, _predict(model, device), dataset.classes, model)


def find_pictures(images: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Paths, labels and class names of a folder with a folder per class, or with one picture per class.

    Raises:
        ValueError: no pictures.
    """
    folders = subfolders(images) if images.is_dir() else []
    classes = [folder.name for folder in folders]
    if folders:
        files, labels = list_images([*folders])
    else:
        files = sorted(str(p) for p in images.glob("*") if p.suffix.lower() in ENDINGS)
        classes, labels = [Path(file).stem for file in files], np.arange(len(files))
    if not files:
        raise ValueError(
            f"{images}: expected pictures, in one folder per class or one picture per class, got none. Check the path."
        )
    return files, labels, classes


def of_pictures(
    model: nn.Module, size: int, mean: tuple[float, ...], std: tuple[float, ...], images: Path, device: torch.device
) -> NetworkQuestion:
    """Any network, with a folder of pictures.

    Args:
        model: images (n, 3, size, size) -> logits (n, K).
        size: the shorter side is resized to size / 0.875 and the centre is cut out.
        mean, std: of the normalisation, one fraction per channel.
        images: `<class>/*.jpg`, whose sorted names are in the network's order of classes; or one picture per class.
        device: where to compute.
    Raises:
        ValueError: classes that are not the network's.
    """
    files, labels, classes = find_pictures(images)
    pixels = _square(decode_all(files, lambda row: str(files[row]), round(size / 0.875), exif=True), size)
    predict = _predict(model, device)
    shift, scale = (torch.tensor(v, device=device)[:, None, None] for v in (mean, std))

    def batch(rows: Tensor) -> Tensor:
        x = torch.from_numpy(pixels[rows.numpy()]).to(device).permute(0, 3, 1, 2).float()
        return (x / 255 - shift) / scale

    known = predict(batch(torch.zeros(1, dtype=torch.int64))).shape[1]
    if known != len(classes):
        raise ValueError(
            f"{images}: expected the network's {known} classes, sorted, got {len(classes)}. "
            "Give a folder for every class, or one picture for every class."
        )
    return NetworkQuestion(batch, labels, predict, classes, model)


def from_name(name: str) -> tuple[nn.Module, int, tuple[float, ...], tuple[float, ...]]:
    """A pretrained network by name, with its input size, mean and sd.

    Args:
        name: "torchvision:resnet50", "timm:resnet50.a1_in1k", or "FILE.py:FUNCTION", whose function returns
            (model, size, mean, std).
    Raises:
        ValueError: another form of name, a library that is not installed, or weights that cannot be had.
    """
    library, _, which = name.rpartition(":")
    if library == "torchvision":
        from torchvision.models import get_model

        return _fetched(name, lambda: get_model(which, weights="DEFAULT")), 224, IMAGENET_MEAN, IMAGENET_STD
    if library == "timm":
        try:
            import timm  # pyright: ignore[reportMissingImports]
            from timm.data.config import resolve_model_data_config  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise ValueError(f"--network {name}: expected timm to be installed. Run pip install timm.") from None
        model = _fetched(name, lambda: timm.create_model(which, pretrained=True))
        config = resolve_model_data_config(model)
        return model, config["input_size"][-1], config["mean"], config["std"]
    path = Path(library)
    if path.suffix != ".py" or not path.is_file():
        raise ValueError(
            f"--network: expected a run's folder, torchvision:NAME, timm:NAME or FILE.py:FUNCTION, got {name!r}."
        )
    source = importlib.util.spec_from_file_location("dropmix_user_network", path)
    assert source is not None
    assert source.loader is not None
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    if not hasattr(module, which):
        raise ValueError(f"{path}: expected a function {which!r}, got none of that name.")
    made = getattr(module, which)()
    if not (isinstance(made, tuple) and len(made) == 4 and isinstance(made[0], nn.Module)):
        raise ValueError(
            f"{path}:{which}: expected a function that returns (model, size, mean, std), got {type(made).__name__}."
        )
    return made


def _fetched(name: str, fetch: Callable[[], nn.Module]) -> nn.Module:
    try:
        return fetch()
    except Exception as error:  # both download through several libraries with their own errors
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ValueError(
            f"--network {name}: expected to fetch its weights, got: {reason}. "
            "Connect, or give a run's folder or FILE.py:FUNCTION that loads them from a file."
        ) from error


def _square(pixels: np.ndarray, size: int) -> np.ndarray:
    edge = (pixels.shape[1] - size) // 2
    return pixels[:, edge : edge + size, edge : edge + size]


def _predict(model: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    model = model.to(device=device, memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    return lambda x: model(x.contiguous(memory_format=torch.channels_last))
