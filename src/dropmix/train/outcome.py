"""The results of a run: predictions and the summary in `done`."""

import hashlib
import json
import platform
import statistics
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from dropmix.data import Dataset, Files, Split
from dropmix.data.records import Texts
from dropmix.train.config import RunSpec
from dropmix.train.files import write_atomic


def write_predictions(
    folder: Path,
    spec: RunSpec,
    dataset: Dataset,
    split: Split | Files | Texts,
    logits: Tensor,
    keep_logits: bool = False,
) -> str:
    """Write `predictions.parquet`, one row per example in the split's order.

    Args:
        folder: the run's folder.
        spec: the run; gives the columns `arm` and `seed`.
        dataset: gives class names, superclasses, numbers of training examples, and groups of the predicted ones.
        split: the predicted examples.
        logits: (N, K), float32.
        keep_logits: add a column of all logits.
    Returns:
        SHA-256 of the file.
    """
    logits = logits.cpu()
    probabilities = logits.softmax(1)
    labels = torch.from_numpy(split.labels)
    top, pred = probabilities.max(1)
    own = probabilities.gather(1, labels[:, None])[:, 0]
    count = len(labels)
    columns: dict[str, Any] = {
        "arm": pa.array([spec.arm.name], pa.string()).take(pa.array(np.zeros(count, np.int64))),
        "seed": pa.array(np.full(count, spec.seed, np.int64)),
        "example_id": pa.array(split.ids),
        "label": pa.array(split.labels.astype(np.int32)),
        "pred": pa.array(pred.numpy().astype(np.int32)),
        "p_true": pa.array(own.numpy()),
        "p_max": pa.array(top.numpy()),
    }
    if dataset.groups is not None:
        columns["group"] = pa.array(dataset.groups)
    if keep_logits:
        columns["logits"] = pa.FixedSizeListArray.from_arrays(pa.array(logits.numpy().ravel()), logits.shape[1])
    counts = np.bincount(dataset.train.labels, minlength=len(dataset.classes)).tolist()
    about = {"format": 1, "classes": dataset.classes, "superclasses": dataset.superclasses, "train_counts": counts}
    table = pa.table(columns).replace_schema_metadata({"dropmix": json.dumps(about)})
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    content = buffer.getvalue()
    write_atomic(folder / "predictions.parquet", content)
    return hashlib.sha256(content).hexdigest()


def accuracy_summary(accuracies: list[tuple[int, float]], epochs: int) -> dict[str, float]:
    """Return last, median of the last 10 epochs, and best accuracy, fractions.

    Args:
        accuracies: (epoch counted from 1, accuracy) of every evaluation, in order.
        epochs: length of the run.
    Example:
        >>> accuracy_summary([(1, 0.2), (2, 0.6), (3, 0.5)], 3)
        {'accuracy_last': 0.5, 'accuracy_median10': 0.5, 'accuracy_best': 0.6}
    """
    late = [accuracy for epoch, accuracy in accuracies if epoch > epochs - 10]
    return {
        "accuracy_last": accuracies[-1][1],
        "accuracy_median10": statistics.median(late),
        "accuracy_best": max(accuracy for _, accuracy in accuracies),
    }


def environment(device: torch.device) -> dict[str, str]:
    """Versions and device, for the run card."""
    versions = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in ("dropmix", "torch", "numpy", "pyarrow"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    gpu = device.type == "cuda"
    return versions | {"device": torch.cuda.get_device_name(device) if gpu else torch.backends.cpu.get_cpu_capability()}
