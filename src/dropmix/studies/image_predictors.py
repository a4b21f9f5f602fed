"""What images may tell beforehand: from pixels, which owe nothing to any run, and from a network's features."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from dropmix.data import Files, Split
from dropmix.data.picture import centre_crop, read_picture
from dropmix.grid.data import load_data
from dropmix.grid.store import scan
from dropmix.studies.predictors import Table
from dropmix.studies.pretrained import NetworkQuestion, of_run
from dropmix.text import is_text
from dropmix.train.config import RunSpec

MOST = 200  # images per class that are looked at
SIDE = 64  # pictures that stay in their files are looked at in this size
BATCH = 100


def from_images(train: Split | Files) -> Table:
    """Predictors that the training images give, (K,) each, means over at most 200 images per class.

    Args:
        train: images in memory or in their files, of any number of channels.
    Returns:
        "training examples" (count), "brightness" (mean, fraction of white), "colour variance" (over the pixels of an
        image, mean of the channels), "edge density" (mean size of the gradient of gray inside the border) and "gradient
        energy in the centre" (its square within the middle half of the area, as a share; 0.5 if it is spread evenly).
    """
    count = np.bincount(train.labels)
    kept = np.concatenate([np.flatnonzero(train.labels == label)[:MOST] for label in range(len(count))])
    labels = train.labels[kept]
    values = np.concatenate([measures(_pixels(train, part)) for part in np.array_split(kept, len(kept) // BATCH + 1)])
    names = ("brightness", "colour variance", "edge density", "gradient energy in the centre")
    sizes = np.maximum(np.bincount(labels, minlength=len(count)), 1)
    sums = {name: np.bincount(labels, column, len(count)) for name, column in zip(names, values.T, strict=True)}
    return {"training examples": count.astype(float), **{name: total / sizes for name, total in sums.items()}}


def measures(images: np.ndarray) -> np.ndarray:
    """Brightness, colour variance, edge density and share of gradient energy in the centre of each image.

    Args:
        images: (N, H, W, C), uint8, at least 3 pixels high and wide.
    Returns:
        (N, 4), float64.

    Example:
        >>> measures(np.full((1, 4, 4, 3), 255, np.uint8)).tolist()
        [[1.0, 0.0, 0.0, 0.5]]
    """
    x = images.astype(np.float64) / 255
    gray = x.mean(3)
    down, right = np.gradient(gray, axis=(1, 2))
    energy = (down**2 + right**2)[:, 1:-1, 1:-1]  # at the border, differences of neighbours would be larger
    height, width = energy.shape[1:]
    # Half of the area has sides of 1 / sqrt(2); what pixels reach beyond it counts by its share.
    weights = np.outer(_middle(height), _middle(width))
    whole = energy.sum((1, 2))
    centre = (energy * weights).sum((1, 2))
    share = np.where(whole > 0, centre / np.where(whole > 0, whole, 1), 0.5)
    return np.stack([gray.mean((1, 2)), x.var((1, 2)).mean(1), np.sqrt(energy).mean((1, 2)), share], 1)


def of_images(folder: Path, data: Path | None, baseline: str = "vanilla") -> tuple[Table, Table]:
    """Predictors from the training images of a grid, and, where the baseline's weights are kept, from its networks.

    Args:
        folder: the grid's.
        data: the images that its runs were trained on; None for the digits.
        baseline: name of the baseline arm.
    Returns:
        Predictors (K,), and predictors (S, K) from the baseline's networks in the order of their seeds; the second is
        empty if the weights of a run are missing, or if folds predict different images.
    Raises:
        ValueError: the grid's runs are not on images, or on others than these.
    """
    runs = [run for run in scan(folder) if isinstance(run.spec, RunSpec)]
    spec = runs[0].spec if runs else None
    if not isinstance(spec, RunSpec) or is_text(spec.data.name):
        raise ValueError(f"{folder}: expected runs on images for --data, got none. Leave out --data.")
    dataset = load_data(spec, None if data is None else str(data))
    if dataset.fingerprint != spec.data.fingerprint:
        raise ValueError(f"{data}: expected the images that {folder} was trained on, got others. Check the path.")
    assert isinstance(dataset.train, Split | Files)
    done = [run for run in runs if run.state == "done"]
    seeds = {run.spec.seed: run.path for run in done if run.spec is not None and run.spec.arm.name == baseline}
    kept = [path for _, path in sorted(seeds.items()) if (path / "weights.pt").is_file()]
    networks: Table = {}
    if kept and len(kept) == len(seeds) and spec.data.folds is None:
        rows = [from_network(of_run(path, data, torch.device("cpu"))) for path in kept]
        networks = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return from_images(dataset.train), networks


def from_network(question: NetworkQuestion) -> Table:
    """Predictors from what a network's last linear layer sees, (K,) each.

    Returns:
        "distance to the nearest class" (between centres of classes, over the mean spread of the two) and "spread within
        the class" (root mean square distance from its centre, over the mean of all classes).
    Raises:
        ValueError: the network has no linear layer.
    """
    features = _features(question)
    labels, k = question.labels, len(question.classes)
    sizes = np.maximum(np.bincount(labels, minlength=k), 1)
    centres = np.zeros((k, features.shape[1]))
    np.add.at(centres, labels, features)
    centres /= sizes[:, None]
    spread = np.sqrt(np.bincount(labels, ((features - centres[labels]) ** 2).sum(1), k) / sizes)
    apart = np.sqrt(np.maximum(((centres[:, None] - centres[None]) ** 2).sum(2), 0))
    apart /= np.maximum((spread[:, None] + spread[None]) / 2, 1e-12)
    np.fill_diagonal(apart, np.inf)
    return {"distance to the nearest class": apart.min(1), "spread within the class": spread / spread.mean()}


def _features(question: NetworkQuestion) -> np.ndarray:
    linear = [layer for layer in question.model.modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise ValueError("explain: expected a network with a linear layer, got none. Leave out --data.")
    seen: list[np.ndarray] = []
    hook = linear[-1].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().float().numpy()))
    try:
        for rows in torch.arange(len(question.labels)).split(BATCH):
            question.predict(question.batch(rows))
    finally:
        hook.remove()
    return np.concatenate(seen).astype(np.float64)


def _middle(size: int) -> np.ndarray:
    """Share of each pixel of a line that lies within its middle part of length size / sqrt(2)."""
    half = size / np.sqrt(2) / 2
    edges = np.arange(size + 1) - size / 2
    return np.clip(np.minimum(edges[1:], half) - np.maximum(edges[:-1], -half), 0, 1)


def _pixels(train: Split | Files, rows: np.ndarray) -> np.ndarray:
    if isinstance(train, Split):
        return train.images[rows]
    return np.stack([centre_crop(read_picture(train.path(row), train.exif), SIDE) for row in rows.tolist()])
