"""Save predictions for the audit, from any framework."""

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, first
from dropmix.audit.formats.archives import sha256
from dropmix.audit.inputs.arrays import to_numpy
from dropmix.audit.inputs.class_values import class_array
from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.inputs.scores import Array3, is_label_matrix, reduce_scores

RANK = "RANK"  # set by torchrun and most launchers
OURS = {"label", "pred", "p_true", "p_max", "arm", "seed", "example_id", "group"}


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
    by: Any = None,
    classes: Sequence[str] | None = None,
    rank: int | None = None,
    truth: str | Path | None = None,
) -> Path:
    """Save one run's predictions on a test set as parquet, for `dropmix audit`.

    Writes beside the path and renames, so that a file is whole or absent. In a distributed run, gather the arrays
    first and call this in every process: only rank 0 writes. Examples that a sampler repeats to fill the last batch
    are kept once, by their ids.

    Args:
        path: path of the file, ending in .parquet.
        labels: true classes, (N,), numbers or names; arrays, tensors or lists. If an example may have several labels:
            their matrix (N, K) of 0 and 1, with `probs` as scores (N, K). The file then holds the scores, one column
            per label, and its path says which arm and seed they are of.
        pred: predicted classes, (N,), as labels; or None with `probs`.
        probs: probabilities, (N, K), rows that sum to 1; gives pred and the confidences.
        ids: of the examples, (N,), integers or text, the same in every run: file names are best.
        arm: name of what was trained, such as "vanilla" or "mixup"; if None, the file or folder names it.
        seed: of the run.
        group: patient, clip or camera of each example, (N,), whose rows are not independent.
        by: slices: name of a column -> values (N,), such as {"camera": [...]}, for `dropmix audit --by camera`; values
            alone are called "by".
        classes: class names, K, if labels are numbers.
        rank: of this process; if None, the environment variable RANK.
        truth: where to write the matrix of several labels too, for `dropmix audit --labels`; one file for all runs.
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
    slices = {} if by is None else dict(by) if isinstance(by, Mapping) else {"by": by}
    beside = {"example_id": ids, "group": group, **slices}
    if len(beside) < 2 + len(slices) or {*slices} & OURS:
        raise AuditError(f"save_predictions: expected slices under names of their own, got {first([*slices])}. Rename.")
    beside = {key: to_numpy(value, key) for key, value in beside.items() if value is not None}
    writes = int(os.environ.get(RANK, "0") if rank is None else rank) == 0
    given = to_numpy(labels, "labels")
    if given.ndim == 2 and given.shape[1] > 1:
        if arm is not None or seed != 0 or pred is not None:
            raise AuditError(
                "save_predictions: expected probs alone beside several labels per example, got arm, seed or pred. "
                "Name arm and seed in the path, as in mixup/seed1.parquet."
            )
        scores, matrix = _of_labels(given, probs, beside, classes)
        if writes:
            _write(path, scores, None)
        if writes and truth is not None:
            _write(Path(truth), matrix, [name for name in matrix if name not in beside])
        return path
    if truth is not None:
        raise AuditError("save_predictions: expected labels (N, K) of 0 and 1 with truth, got one label per example.")
    columns = _columns(given, pred, probs, beside, classes)
    if ids is not None:
        columns = _once(columns)
    if writes:
        columns["seed"] = np.full(len(columns["label"]), seed, np.int64)
        columns |= {} if arm is None else {"arm": np.full(len(columns["label"]), arm, dtype=object)}
        _write(path, columns, classes)
    return path


def write_run(predictions: Predictions, arm: str, seed: int, path: Path) -> str:
    """Write one run's predictions as a run folder holds them; returns the file's SHA-256.

    Args:
        predictions: predictions of one seed.
        arm, seed: of the run.
        path: of `predictions.parquet`.
    """
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    count = len(predictions.labels)
    columns: dict[str, Any] = {"arm": pa.array([arm] * count), "seed": pa.array([seed] * count, pa.int64())}
    if predictions.example_id is not None:
        columns["example_id"] = pa.array(predictions.example_id)
    columns |= {"label": pa.array(predictions.labels), "pred": pa.array(predictions.pred[0])}
    if predictions.group is not None:
        columns["group"] = pa.array(predictions.group)
    for key in ("p_true", "p_max"):
        if (values := getattr(predictions, key)) is not None:
            columns[key] = pa.array(values[0])
    names, groups = predictions.class_names, predictions.superclasses
    about = {"format": 1, "classes": names and list(names), "superclasses": groups and list(groups)}
    about["train_counts"] = predictions.train_counts and list(predictions.train_counts)
    table = pa.table(columns).replace_schema_metadata({"dropmix": json.dumps(about)})
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)  # nothing reads it before `done` exists
    return sha256(path)


def _of_labels(
    labels: np.ndarray, probs: Any, beside: dict[str, np.ndarray], classes: Any
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Columns of the scores, and of the true labels with what stands beside them; each example once."""
    if not is_label_matrix(labels):
        raise AuditError(
            f"save_predictions: expected labels (N, K) of 0 and 1, got {labels.shape}. Give (N,) or these."
        )
    scores = to_numpy([] if probs is None else probs, "probs")
    if scores.shape != labels.shape or scores.dtype.kind != "f":
        raise AuditError(
            f"save_predictions: expected probs {labels.shape} of float type as labels have them, got {scores.shape}. "
            "Save one run per file."
        )
    names = [str(i) for i in range(labels.shape[1])] if classes is None else [str(name) for name in classes]
    wrong = len(names) != labels.shape[1] or len({*names, *beside}) < len(names) + len(beside)
    if wrong or any(len(value) != len(labels) for value in beside.values()):
        raise AuditError(
            f"save_predictions: expected {labels.shape[1]} different classes and columns of {len(labels)} values, got "
            f"{first([*names, *beside])}. Give each label a name of its own."
        )
    made = beside | {name: labels[:, i].astype(np.int8) for i, name in enumerate(names)}
    made |= {f"score {name}": scores[:, i].astype(np.float32) for i, name in enumerate(names)}
    if "example_id" in beside:
        code = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
        made = _once(made | {"label": code})
        del made["label"]
    ids = {key: value for key, value in made.items() if key == "example_id"}
    return ids | {name: made[f"score {name}"] for name in names}, {
        key: value for key, value in made.items() if not key.startswith("score ")
    }


def _columns(labels: np.ndarray, pred: Any, probs: Any, beside: dict[str, np.ndarray], classes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"label": labels.reshape(-1)}
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
        reduced = reduce_scores(
            Array3(scores.astype(np.float32)[None]), truth.astype(np.int64), "probs", "save_predictions"
        )
        made["pred"] = (
            reduced["pred"][0] if made["label"].dtype.kind not in "UO" else np.array(classes)[reduced["pred"][0]]
        )
        made |= {key: reduced[key][0] for key in ("p_true", "p_max")}
    if pred is not None:
        made["pred"] = to_numpy(pred, "pred").reshape(-1)
        class_array(made["pred"], "pred", "save_predictions")
    if "pred" not in made:
        raise AuditError("save_predictions: expected pred or probs, got neither. Give one.")
    made |= beside
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


def _write(path: Path, columns: dict[str, np.ndarray], classes: Any) -> None:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    made = {}
    for key, value in columns.items():
        whole = key in ("label", "pred") and value.dtype.kind in "iufb"
        made[key] = pa.array(value.astype(np.int32) if whole else value.tolist() if value.dtype.kind in "UO" else value)
        if key == "arm":
            made[key] = made[key].dictionary_encode()
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
