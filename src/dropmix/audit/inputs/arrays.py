"""Dense predictions: arrays over seeds and examples, in memory or in an npz file."""

import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, clip
from dropmix.audit.inputs.align import sort_by_id
from dropmix.audit.inputs.given import Reading
from dropmix.audit.inputs.predictions import Predictions, checked

# What zipfile, zlib and numpy raise on damaged archives and array headers.
DAMAGE = (OSError, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, MemoryError, SyntaxError)
DAMAGE += (TypeError, OverflowError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, tokenize.TokenError)
KEYS = ("labels", "pred", "probs", "p_true", "p_max", "topk", "example_id", "seeds", "classes", "superclasses", "arm")
ALSO = {"label": "labels", "preds": "pred", "predictions": "pred", "ids": "example_id", "seed": "seeds"}


def to_numpy(value: Any, what: str) -> np.ndarray:
    """A numpy array from a sequence, an array or a tensor of any framework on any device.

    Raises:
        AuditError: it has no regular shape or no plain type.

    Example:
        >>> to_numpy([[1, 2], [3, 4]], "pred").shape
        (2, 2)
    """
    if hasattr(value, "detach"):  # a torch tensor, without importing torch
        value = value.detach().cpu()
        if str(getattr(value, "dtype", "")).endswith("bfloat16"):
            value = value.float()
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise AuditError(f"{what}: expected one regular array, got {clip(error)}. Give equal lengths.") from error
    if array.dtype.kind not in "iufbUO":
        raise AuditError(f"{what}: expected numbers or text, got {array.dtype}. Convert it.")
    return array


def read_mapping(
    source: Mapping, name: str, reading: Reading, origin: dict | None = None, default_arm: str = ""
) -> Predictions:
    """One arm from a mapping of arrays.

    Args:
        source: `labels` (N,) and `pred` (N,) or (S, N); or `probs` (N, K) or (S, N, K) in place of `pred`;
            optional `p_true`, `p_max` (as `pred`), `topk` (N, k) or (S, N, k), `example_id` (N,), `seeds` (S,),
            `classes` (K,), `superclasses` (K,), `arm`.
        name: arm name where the mapping has none, and the place named in errors.
        reading: what the user says of it.
        origin: path and hash of the file it came from.
    Raises:
        AuditError: unknown key, missing key, or arrays that do not fit each other.

    Example:
        >>> read_mapping({"labels": [0, 1], "pred": [[0, 1], [1, 1]]}, "a", Reading()).pred.shape
        (2, 2)
    """
    held = {ALSO.get(str(key), str(key)): value for key, value in source.items()}
    unknown = sorted(set(held) - set(KEYS))
    if unknown:
        raise AuditError(f"{name}: expected keys among {', '.join(KEYS)}, got {clip(unknown[0])!r}. Rename it.")
    if "labels" not in held or not {"pred", "probs"} & set(held):
        raise AuditError(f"{name}: expected labels with pred or probs, got {clip(', '.join(held))!r}. Add them.")
    names = _names(held, "classes", name) if reading.classes is None else tuple(reading.classes)
    labels, names = _class_numbers(to_numpy(held["labels"], f"{name} labels"), names, held, name)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise AuditError(
            f"{name}: expected labels (N,) with integer type, got {labels.shape} {labels.dtype}. Give class numbers."
        )
    probs = _probs(held, labels, name)
    if "pred" in held:
        pred, names = _class_numbers(to_numpy(held["pred"], f"{name} pred"), names, held, name)
    else:
        pred = probs.argmax(axis=-1)  # type: ignore[union-attr]
    pred = np.atleast_2d(pred)
    arm = clip(held.get("arm", default_arm or name), 200)
    made = Predictions(
        arm=arm,
        labels=labels,
        pred=pred,
        seeds=to_numpy(held["seeds"], f"{name} seeds").reshape(-1) if "seeds" in held else np.arange(len(pred)),
        example_id=_ids(held, len(labels), name),
        topk=_over_seeds(held, "topk", pred.shape, name),
        class_names=names,
        superclasses=_names(held, "superclasses", name),
        sources=() if origin is None else ({**origin, "arm": arm, "seeds": []},),
        seeds_given="seeds" in held,
        arm_given="arm" in held,
        **_confidences(held, probs, labels, pred.shape, name),
    )
    if made.seeds.dtype.kind not in "iu":
        raise AuditError(f"{name}: expected seeds with integer type, got {made.seeds.dtype}. Number the seeds.")
    made = sort_by_id(checked(made, name), name)
    for source_of in made.sources:
        source_of["seeds"] = made.seeds.tolist()
    return made


def read_npz(path: Path, origin: dict, reading: Reading) -> Predictions:
    """One arm from an npz file with the arrays that `read_mapping` names.

    Raises:
        AuditError: damaged, pickled, or an array whose header promises more than the file holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                _check_header(archive, info, path)
        with np.load(path, allow_pickle=False) as file:
            held = {key: file[key] for key in file.files}
    except AuditError:
        raise
    except DAMAGE as error:
        why = clip(error, 160)
        raise AuditError(f"{path}: expected a readable npz file, got {why}. Write the file again.") from error
    return read_mapping(held, str(path), reading, origin, path.stem)


def _check_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(member)
        promised = int(np.prod([int(s) for s in shape], dtype=object)) * kind.itemsize
        if kind.hasobject or promised > info.file_size:
            raise AuditError(
                f"{path}: expected {clip(info.filename)} with {info.file_size} bytes of plain numbers or text, got "
                f"{promised} promised, type {kind}. Write the file again without pickled objects."
            )


def _probs(held: Mapping, labels: np.ndarray, name: str) -> np.ndarray | None:
    if "probs" not in held:
        return None
    probs = to_numpy(held["probs"], f"{name} probs")
    if probs.ndim == 2:
        probs = probs[None]
    if probs.ndim != 3 or probs.shape[1] != len(labels) or probs.dtype.kind != "f" or probs.shape[2] < 2:
        raise AuditError(
            f"{name}: expected probs of shape (S, N, K) with N = {len(labels)} and float type, got "
            f"{probs.shape} {probs.dtype}. Save softmax outputs of every seed."
        )
    low, high = probs.min(), probs.max()
    if not (low >= 0 and high <= 1.002):
        raise AuditError(
            f"{name}: expected probs in [0, 1], got {low if low < 0 or np.isnan(low) else high}. Apply softmax first."
        )
    if len(labels) and int(labels.max()) >= probs.shape[2]:
        raise AuditError(
            f"{name}: expected labels below K = {probs.shape[2]}, got {labels.max()}. Save a column of probs a class."
        )
    return probs


def _confidences(held: Mapping, probs: np.ndarray | None, labels: np.ndarray, shape, name: str) -> dict:
    made = {key: _over_seeds(held, key, shape, name) for key in ("p_true", "p_max")}
    if probs is None:
        return made
    if probs.shape[:2] != shape:
        raise AuditError(f"{name}: expected probs for {shape} seeds and examples, got {probs.shape}. Give all seeds.")
    if made["p_true"] is None:
        made["p_true"] = np.take_along_axis(probs, labels[None, :, None].astype(np.intp), axis=2)[:, :, 0]
    if made["p_max"] is None:
        made["p_max"] = probs.max(axis=2)
    return made


def _over_seeds(held: Mapping, key: str, shape: tuple[int, ...], name: str) -> np.ndarray | None:
    if held.get(key) is None:
        return None
    array = to_numpy(held[key], f"{name} {key}")
    if array.ndim == (2 if key == "topk" else 1):
        array = array[None]
    if array.shape[:2] != shape:
        raise AuditError(
            f"{name}: expected {key} for {shape[0]} seeds and {shape[1]} examples, got shape {array.shape}. "
            "Give it in the shape of pred."
        )
    return array


def _class_numbers(values: np.ndarray, names, held: Mapping, where: str):
    """Class numbers as they are; class names looked up in the class list (made from both arrays if none)."""
    if values.dtype.kind not in "UO":
        return values, names
    values = values.astype(object)
    if not all(isinstance(v, str) for v in values.reshape(-1)):
        raise AuditError(f"{where}: expected class numbers or class names, got mixed types. Give one kind.")
    if names is None:
        both = [to_numpy(held[k], k).astype(str).reshape(-1) for k in ("labels", "pred") if k in held]
        names = tuple(np.unique(np.concatenate(both)).tolist())
    place = np.array(names, dtype=str)
    order = np.argsort(place)
    at = np.searchsorted(place[order], values.astype(str).reshape(-1)).clip(max=len(place) - 1)
    at = order[at]
    wrong = np.flatnonzero(place[at] != values.astype(str).reshape(-1))
    if len(wrong):
        raise AuditError(
            f"{where}: expected classes of the class list, got {clip(values.reshape(-1)[wrong[0]])!r}. "
            "Check the class list."
        )
    return at.reshape(values.shape), names


def _names(held: Mapping, key: str, name: str) -> tuple[str, ...] | None:
    if held.get(key) is None:
        return None
    values = to_numpy(held[key], f"{name} {key}")
    if values.ndim != 1:
        raise AuditError(f"{name}: expected {key} (K,), got shape {values.shape}. Give one name a class.")
    return tuple(str(v) for v in values.tolist())


def _ids(held: Mapping, count: int, name: str) -> np.ndarray | None:
    if held.get("example_id") is None:
        return None
    values = to_numpy(held["example_id"], f"{name} example_id")
    if values.shape != (count,):
        raise AuditError(f"{name}: expected example_id ({count},), got shape {values.shape}. Give one id an example.")
    if values.dtype.kind in "UO":
        if not all(isinstance(v, str) for v in values.tolist()):
            raise AuditError(f"{name}: expected example_id as integers or text, got mixed types. Give one kind.")
        return values.astype(object)
    if values.dtype.kind not in "iu" or (values.dtype.kind == "u" and values.size and values.max() > 2**63 - 1):
        raise AuditError(f"{name}: expected example_id as 64-bit integers or text, got {values.dtype}. Convert it.")
    return values.astype(np.int64)


def is_predictions(source: Mapping) -> bool:
    """Whether a mapping holds arrays of one arm, and not sources by name."""
    held = {ALSO.get(str(key).lower(), str(key).lower()) for key in source}
    return bool(held & {"pred", "probs"})
