"""Dense predictions: arrays over seeds and examples, in memory or in a file."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, clip
from dropmix.audit.formats.archives import StoredScores, read_arrays
from dropmix.audit.formats.columns import word
from dropmix.audit.inputs.class_values import ClassValues, class_array, numbered
from dropmix.audit.inputs.example_ids import sort_by_id
from dropmix.audit.inputs.given import Labels, Reading, by_key
from dropmix.audit.inputs.merge import accept_of_arrays, onto_classes
from dropmix.audit.inputs.predictions import Predictions, check_shape, checked
from dropmix.audit.inputs.scores import Array3, Scores, is_one_hot, reduce_scores
from dropmix.audit.naming.aliases import ALSO, bare
from dropmix.audit.naming.totals import refuse_totals


def to_numpy(value: Any, what: str) -> np.ndarray:
    """A numpy array from a sequence, an array or a tensor of any framework on any device.

    Raises:
        AuditError: an irregular shape, or values that are neither numbers nor text.

    Example:
        >>> to_numpy([[1, 2], [3, 4]], "pred").shape
        (2, 2)
    """
    if hasattr(value, "detach"):  # a torch tensor, without importing torch
        value = value.detach().cpu()
        if str(getattr(value, "dtype", "")).endswith("bfloat16"):
            value = value.float()
    if np.ma.isMaskedArray(value) and (n := int(np.ma.count_masked(value))):
        raise AuditError(f"{what}: expected values without gaps, got {n} masked. Fill or remove them.")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise AuditError(
            f"{what}: expected one regular array, got {clip(error)}. Give rows of equal length."
        ) from error
    if array.dtype.kind == "S":  # text as HDF5 and C have it
        try:
            return np.strings.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise AuditError(f"{what}: expected text in UTF-8, got {clip(error)}. Decode it beforehand.") from error
    if array.dtype.kind not in "iufbUO":
        raise AuditError(f"{what}: expected numbers or text, got {array.dtype}. Convert it.")
    if array.dtype.kind == "U" and not isinstance(value, np.ndarray):
        given = np.asarray(value, dtype=object)  # numpy writes None and 3 beside text as text
        array = given if not all(isinstance(v, str) for v in given.reshape(-1)) else array
    return array


def is_predictions(source: Mapping) -> bool:
    """Whether a mapping holds the arrays of one arm, not sources by name."""
    keys = {ALSO.get(bare(str(key)), "") for key in source}
    arrays = not any(isinstance(v, Mapping | str | Path | Predictions) for v in source.values())
    return bool(keys & {"pred", "probs", "logits", "scores"}) and (arrays or "labels" in keys)


def read_mapping(
    source: Mapping, name: str, reading: Reading, origin: dict | None = None, default_arm: str = ""
) -> Predictions:
    """One arm from a mapping of arrays.

    Args:
        source: `labels` (N,) and `pred` (N,) or (S, N); or `probs` or `logits` (N, K) or (S, N, K) in place of `pred`;
            optional `p_true`, `p_max` (as `pred`), `topk` (N, k) or (S, N, k), `example_id` (N,), `seeds` (S,),
            `classes` (K,), `superclasses` (K,), `train_counts` (K,), `arm`, `group` (N,), `accept` (N lists, or
            (N, K) bool). The usual other names of these (y_true, label_ids, predictions, ...) are known.
        name: arm name if the mapping has none, and what errors call the source.
        reading: what the user says about it.
        origin: path and hash of its file, if it came from one.
        default_arm: name of the arm if it is not `name`.
    Raises:
        AuditError: an unknown or missing key, or arrays that do not fit each other.

    Example:
        >>> read_mapping({"labels": [0, 1, 1], "pred": [[0, 1, 1], [1, 1, 0]]}, "a", Reading()).pred.shape
        (2, 3)
    """
    _refuse_orders(source, name)
    arrays = by_key(source, reading, name, strict=origin is None)
    names = _names(
        {"classes": reading.classes if arrays.get("classes") is None else arrays["classes"]}, "classes", name
    )
    label = _labels(arrays, reading, name)
    if label.values.ndim == 2 and label.values.shape[1] == 1:  # as Keras has them
        label = replace(label, values=label.values[:, 0])
    elif label.texts is None and is_one_hot(label.values):
        label = replace(label, values=label.values.argmax(axis=1))
    if label.values.ndim != 1:
        raise AuditError(
            f"{name}: expected labels (N,) with integer type, got {label.values.shape}. Give class numbers (batches "
            "joined by numpy.concatenate); a matrix of several labels per example goes apart (--labels FILE)."
        )
    count = len(label.values)
    scores, kind = _scores(arrays, count, name)
    class_values = {"label": label}
    if "pred" in arrays:
        class_values["pred"] = class_array(_classes(arrays["pred"], count, name, "seeds" in arrays), "pred", name)
    numbers, names, label_kind = numbered(class_values, names, name)
    labels = numbers["label"]
    made: dict[str, Any] = {"pred": np.atleast_2d(numbers["pred"]) if "pred" in arrays else None}
    if made["pred"] is not None and made["pred"].shape == (count, 1) and count > 1:
        made["pred"] = made["pred"].T
    check_shape(made["pred"], count, name)
    if scores is not None:
        if names is not None and scores.shape[2] != len(names):
            raise AuditError(
                f"{name}: expected scores of {len(names)} classes ({clip(', '.join(names))}), got {scores.shape[2]} "
                "columns. Give the class list of the scores, classes."
            )
        square = "example_id" not in arrays and scores.shape[2] == count > 2
        if origin is not None and square and len({*labels.tolist()}) == count:
            refuse_totals(["confusion"], name)
        derived = reduce_scores(scores, labels, kind, name)
        if made["pred"] is not None and made["pred"].shape != derived["pred"].shape:
            raise AuditError(
                f"{name}: expected probs for {made['pred'].shape} seeds and examples, got {derived['pred'].shape}. "
                "Give all seeds."
            )
        made = {**derived, **{k: v for k, v in made.items() if v is not None}}
    shape: tuple[int, ...] = made["pred"].shape  # type: ignore[union-attr]
    for key in ("p_true", "p_max", "topk"):
        own = _over_seeds(arrays, key, shape, name)
        made[key] = own if own is not None else made.get(key)
    ids = _ids(arrays, "example_id", count, name)
    arm = clip(arrays.get("arm", default_arm or name), 200)
    record = Predictions(
        arm=arm,
        labels=labels,
        seeds=to_numpy(arrays["seeds"], f"{name} seeds").reshape(-1) if "seeds" in arrays else np.arange(shape[0]),
        example_id=ids,
        group=_values("group", arrays, reading.group, ids, count, name),
        by=_values("by", arrays, reading.by, ids, count, name),
        accept=accept_of_arrays(arrays, reading, labels, ids, names, name),
        class_names=names,
        superclasses=_names(arrays, "superclasses", name),
        train_counts=None
        if arrays.get("train_counts") is None
        else tuple(to_numpy(arrays["train_counts"], name).tolist()),
        sources=() if origin is None else ({**origin, "arm": arm, "seeds": []},),
        seeds_given="seeds" in arrays,
        arm_given="arm" in arrays,
        label_kind=label_kind,
        **made,
    )
    if record.seeds.dtype.kind not in "iu":
        raise AuditError(f"{name}: expected seeds with integer type, got {record.seeds.dtype}. Number the seeds.")
    record = onto_classes(sort_by_id(checked(record, name), name), reading.classes, name)
    for source_of in record.sources:
        source_of["seeds"] = record.seeds.tolist()
    return record


def _refuse_orders(source: Mapping, name: str) -> None:
    """Refuse pandas Series that hold the same index in two orders: either order may be meant."""
    series = [(key, value.index) for key, value in source.items() if hasattr(value, "iloc")]
    for (lead, first), (key, index) in zip(series[:1] * len(series), series):
        if not first.equals(index) and first.sort_values().equals(index.sort_values()):
            raise AuditError(
                f"{name}: expected {lead} and {key} in one order, got the same index in two. Give one frame with both."
            )


def read_archive(path: Path, origin: dict, reading: Reading) -> Predictions:
    """One arm from an npz file with the arrays that `read_mapping` names, or from an npy file of predictions.

    Raises:
        AuditError: a damaged or pickled file, or an array whose header promises more than the file holds.
    """
    arrays = read_arrays(path, lambda names: by_key(dict.fromkeys(names), reading, str(path), strict=False))
    if path.suffix.lower() == ".npy" and (names := getattr(arrays["pred"].dtype, "names", None)):  # a structured array
        arrays = {key: np.ascontiguousarray(arrays["pred"][key]) for key in names}
    arrays = {k: v.item() if isinstance(v, np.ndarray) and v.ndim == 0 and k == "arm" else v for k, v in arrays.items()}
    return read_mapping(arrays, str(path), reading, origin, path.stem)


def _labels(arrays: Mapping, reading: Reading, name: str) -> ClassValues:
    if reading.labels is None:
        return class_array(to_numpy(arrays["labels"], f"{name} labels"), "label", name)
    ids = None if arrays.get("example_id") is None else to_numpy(arrays["example_id"], f"{name} example_id")
    count = len(reading.labels.values) if ids is None else len(ids)
    ids = ids.astype(object) if ids is not None and ids.dtype.kind == "U" else ids
    return class_array(reading.labels.of(ids, count, name), "label", reading.labels.where)


def _classes(given: Any, count: int, name: str, numbered: bool) -> np.ndarray:
    """Predicted classes as (N,) or (S, N); those of one-hot rows as numbers.

    Raises:
        AuditError: scores of another shape, or a square array whose rows may be seeds or examples, unless seeds are
            `numbered`.
    """
    array = to_numpy(given, f"{name} pred")
    if (
        array.ndim > 1
        and array.shape[-1] > 1
        and array.dtype.kind == "f"
        and np.isfinite(array).all()
        and (array != np.rint(array)).any()
    ):
        raise AuditError(
            f"{name}: expected scores (N, K) or (S, N, K) with N = {count} examples, got {array.shape}. "
            "Turn them over (pred.T), or take out axes of length 1 (pred.squeeze())."
        )
    square = array.ndim == 2 and array.shape == (count, count) and count > 1
    if square and not numbered:
        raise AuditError(
            f"{name}: expected predictions (N,) or (S, N), got {array.shape}: as many rows as examples, which may be "
            "seeds, one-hot predictions, ranked classes or a confusion matrix. Give one seed, (N,), or the array seeds."
        )
    return array.argmax(axis=1) if not square and len(array) == count and is_one_hot(array) else array


def _scores(arrays: dict[str, Any], count: int, name: str) -> tuple[Scores | None, str]:
    """Scores of every class, if any, and their kind; removes a `pred` that holds scores."""
    for key in ("probs", "logits", "scores", "pred"):
        if arrays.get(key) is None:
            continue
        value = arrays[key]
        if not isinstance(value, StoredScores):
            value = to_numpy(value, f"{name} {key}")
            if key == "pred" and not _looks_like_scores(value, count):
                continue
            if value.ndim == 2:
                value = value[None]
            if value.ndim != 3 or value.shape[1] != count or value.dtype.kind != "f" or value.shape[2] < 2:
                raise AuditError(
                    f"{name}: expected {key} of shape (S, N, K) with N = {count} and float type, got {value.shape} "
                    f"{value.dtype}. Save the outputs of every seed."
                )
            value = Array3(value)
        if key == "pred":
            del arrays["pred"]
        return value, {"probs": "probs", "logits": "logits"}.get(key, "auto")
    return None, ""


def _looks_like_scores(array: np.ndarray, count: int) -> bool:
    if array.dtype.kind != "f" or array.ndim not in (2, 3) or array.shape[-2] != count or array.shape[-1] < 2:
        return False
    whole = bool((array == np.rint(array)).all())
    return array.ndim == 3 or not whole or (array.shape[1] != count and not is_one_hot(array))


def _over_seeds(arrays: Mapping, key: str, shape: tuple[int, ...], name: str) -> np.ndarray | None:
    if arrays.get(key) is None:
        return None
    array = to_numpy(arrays[key], f"{name} {key}")
    if array.ndim == (2 if key == "topk" else 1):
        array = array[None]
    if array.shape[:2] != shape:
        raise AuditError(
            f"{name}: expected {key} for {shape[0]} seeds and {shape[1]} examples, got shape {array.shape}. "
            "Give it in the shape of pred."
        )
    return array


def _names(arrays: Mapping, key: str, name: str) -> tuple[str, ...] | None:
    if arrays.get(key) is None:
        return None
    values = to_numpy(arrays[key], f"{name} {key}")
    if values.ndim != 1:
        raise AuditError(f"{name}: expected {key} (K,), got shape {values.shape}. Give one name per class.")
    return tuple(str(v) for v in values.tolist())


def _values(key: str, arrays: Mapping, asked: Any, ids: np.ndarray | None, count: int, name: str) -> np.ndarray | None:
    if isinstance(asked, Labels):
        return asked.of(ids, count, name)
    if key == "group" or arrays.get(key) is None:
        return _ids(arrays, key, count, name)
    values = to_numpy(arrays[key], f"{name} {asked}")
    if values.shape != (count,):
        raise AuditError(f"{name}: expected {asked} ({count},), got shape {values.shape}. Give one per example.")
    return np.array([word(v) for v in values.tolist()], dtype=object)


def _ids(arrays: Mapping, key: str, count: int, name: str) -> np.ndarray | None:
    if arrays.get(key) is None:
        return None
    values = to_numpy(arrays[key], f"{name} {key}")
    if values.shape != (count,):
        raise AuditError(f"{name}: expected {key} ({count},), got shape {values.shape}. Give one per example.")
    if values.dtype.kind in "UO":
        if not all(isinstance(v, str) for v in values.tolist()):
            raise AuditError(f"{name}: expected {key} as integers or text, got mixed types. Give one kind.")
        return values.astype(object)
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.rint(values)).all():
        values = values.astype(np.int64)
    if values.dtype.kind not in "iu" or (values.dtype.kind == "u" and values.size and values.max() > 2**63 - 1):
        raise AuditError(f"{name}: expected {key} as 64-bit integers or text, got {values.dtype}. Convert it.")
    return values.astype(np.int64)
