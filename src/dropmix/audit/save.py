"""Save predictions for the audit, from any framework."""

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, first
from dropmix.audit.inputs.arrays import to_numpy
from dropmix.audit.inputs.class_values import class_array
from dropmix.audit.inputs.scores import Array3, reduce_scores

RANK = "RANK"  # set by torchrun and most launchers


def save_predictions(
    path: str | Path,
    labels: Any,
    pred: Any = None,
    *,
    probs: Any = None,
    ids: Any = None,
    arm: str | None = None,
    seed: int = 0,
    group: Any = None,
    classes: Sequence[str] | None = None,
    rank: int | None = None,
) -> Path:
    """Save one run's predictions on a test set as parquet, for `dropmix audit`.

    Writes beside the path and renames, so that a file is whole or absent. In a distributed run, gather the arrays
    first and call this in every process: only rank 0 writes. Examples that a sampler repeats to fill the last batch
    are kept once, by their ids.

    Args:
        path: path of the file, ending in .parquet.
        labels: true classes, (N,), numbers or names; arrays, tensors or lists.
        pred: predicted classes, (N,), as labels; or None with `probs`.
        probs: probabilities, (N, K), rows that sum to 1; gives pred and the confidences.
        ids: of the examples, (N,), integers or text, the same in every run: file names are best.
        arm: name of what was trained, such as "vanilla" or "mixup"; if None, the file or folder names it.
        seed: of the run.
        group: patient, clip or camera of each example, (N,).
        classes: class names, K, if labels are numbers.
        rank: of this process; if None, the environment variable RANK.
    Returns:
        The path.
    Raises:
        AuditError: arrays that do not fit each other, or an id with two different labels.

    Example:
        >>> import tempfile
        >>> from dropmix.audit import audit_predictions
        >>> folder = Path(tempfile.mkdtemp())
        >>> a = save_predictions(folder / "vanilla.parquet", [0, 0, 1], [0, 0, 1], ids=["a", "b", "c"])
        >>> b = save_predictions(folder / "mixup.parquet", [0, 0, 1], [0, 1, 1], ids=["a", "b", "c"])
        >>> audit_predictions(a, b).classes["recall_change"].tolist()
        [-0.5, 0.0]
    """
    path = Path(path)
    if path.suffix.lower() != ".parquet":
        raise AuditError(f"{path}: expected a path that ends in .parquet, got {path.suffix!r}. Rename it.")
    columns = _columns(labels, pred, probs, ids, group, classes)
    if ids is not None:
        columns = _once(columns)
    if int(os.environ.get(RANK, "0") if rank is None else rank) == 0:
        _write(path, columns, arm, seed, classes)
    return path


def _columns(labels: Any, pred: Any, probs: Any, ids: Any, group: Any, classes: Any) -> dict[str, np.ndarray]:
    made: dict[str, Any] = {"label": to_numpy(labels, "labels").reshape(-1)}
    class_array(made["label"], "labels", "save_predictions")
    if probs is not None:
        scores = to_numpy(probs, "probs")
        truth = made["label"]
        if truth.dtype.kind in "UO":
            if classes is None:
                raise AuditError(
                    "save_predictions: expected classes with probs if labels are names, got none. Give classes."
                )
            place = {str(name): i for i, name in enumerate(classes)}
            unknown = [t for t in dict.fromkeys(truth.tolist()) if t not in place]
            if unknown:
                raise AuditError(f"save_predictions: expected labels among classes, got {first(unknown)}. Add them.")
            truth = np.array([place[t] for t in truth.tolist()])
        if scores.ndim != 2 or (classes is not None and scores.shape[1] != len(classes)):
            raise AuditError(
                f"save_predictions: expected probs (N, K){'' if classes is None else f' with K = {len(classes)}'}, "
                f"got {scores.shape}. Save one run per file."
            )
        found = reduce_scores(
            Array3(scores.astype(np.float32)[None]), truth.astype(np.int64), "probs", "save_predictions"
        )
        made["pred"] = found["pred"][0] if made["label"].dtype.kind not in "UO" else np.array(classes)[found["pred"][0]]
        made |= {key: found[key][0] for key in ("p_true", "p_max")}
    if pred is not None:
        made["pred"] = to_numpy(pred, "pred").reshape(-1)
        class_array(made["pred"], "pred", "save_predictions")
    if "pred" not in made:
        raise AuditError("save_predictions: expected pred or probs, got neither. Give one.")
    made |= {key: to_numpy(value, key) for key, value in (("example_id", ids), ("group", group)) if value is not None}
    lengths = {key: len(value) if value.ndim == 1 else value.shape for key, value in made.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} {size}" for key, size in lengths.items())
        raise AuditError(f"save_predictions: expected arrays of one length, got {told}. Save one run per file.")
    return made


def _once(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each id once, in the order of the ids; the first of several rows is kept."""
    ids = columns["example_id"]
    _, at, inverse = np.unique(
        ids.astype(str) if ids.dtype.kind == "O" else ids, return_index=True, return_inverse=True
    )
    label = columns["label"]
    wrong = np.flatnonzero(label != label[at][inverse])
    if len(wrong):
        raise AuditError(
            f"save_predictions: expected one label per id, got two for {first(ids[wrong])}. "
            "Give each example its own id."
        )
    return {key: value[at] for key, value in columns.items()}


def _write(path: Path, columns: dict[str, np.ndarray], arm: str | None, seed: int, classes: Any) -> None:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    count = len(columns["label"])
    made = {} if arm is None else {"arm": pa.array([arm] * count).dictionary_encode()}
    made["seed"] = pa.array(np.full(count, seed, np.int64))
    for key, value in columns.items():
        whole = key in ("label", "pred") and value.dtype.kind in "iufb"
        made[key] = pa.array(value.astype(np.int32) if whole else value.tolist() if value.dtype.kind in "UO" else value)
    names = None if classes is None else [str(name) for name in classes]
    table = pa.table(made).replace_schema_metadata({"dropmix": json.dumps({"format": 1, "classes": names})})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with part.open("wb") as file:
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
