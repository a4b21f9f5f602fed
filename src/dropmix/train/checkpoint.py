"""Checkpoints: written whole, the previous one kept, loaded without running code."""

import pickle
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from dropmix.train.files import write_atomic

NAME, PREVIOUS = "checkpoint.pt", "checkpoint.prev.pt"


def save_checkpoint(folder: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; the one before stays as `checkpoint.prev.pt`.

    Args:
        folder: the run's folder.
        content: tensors, numbers, strings, lists and dicts of them.
    Raises:
        OSError: as `write_atomic`; the last good checkpoint stays.
    """
    newest, temporary = folder / NAME, folder / f"{NAME}.new"
    write_atomic(temporary, lambda file: torch.save(content, file))
    if newest.exists():
        newest.replace(folder / PREVIOUS)
    temporary.replace(newest)


def load_checkpoint(
    folder: Path, spec_hash: str, device: torch.device | str = "cpu", fields: Iterable[str] = ()
) -> dict[str, Any] | None:
    """Return the newest readable checkpoint of this spec, or None.

    Args:
        folder: the run's folder.
        spec_hash: a checkpoint that carries another hash is not used.
        device: where its tensors go.
        fields: what it must hold.
    Warns:
        UserWarning: a checkpoint is damaged, foreign or incomplete; the message names it, and the previous one is used;
            without one the run starts again.
    """
    paths = [folder / name for name in (f"{NAME}.new", NAME, PREVIOUS) if (folder / name).exists()]
    for path in paths:
        try:
            _check_sums(path)
            content = torch.load(path, map_location=device, weights_only=True)
            missing = [name for name in fields if name not in content]
            if content["spec_hash"] == spec_hash and not missing:
                return content
            reason = f"it lacks {missing[0]}" if missing else "it belongs to another spec"
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError) as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
        except (pickle.UnpicklingError, zipfile.BadZipFile) as error:
            reason = str(error).strip().split("\n")[0]
        next_step = "the run starts again" if path == paths[-1] else "trying the one before"
        warnings.warn(f"checkpoint {path} cannot be used ({reason}); {next_step}", stacklevel=2)
    return None


def _check_sums(path: Path) -> None:
    """torch.load ignores the checksums of its zip file: one flipped bit would pass as a weight."""
    with zipfile.ZipFile(path) as file:
        bad = file.testzip()
    if bad is not None:
        raise zipfile.BadZipFile(f"{bad} does not match its checksum")


def remove_checkpoints(folder: Path) -> None:
    """Delete a finished run's checkpoints, and partial files that a crash left."""
    for name in (NAME, PREVIOUS, f"{NAME}.new", f".{NAME}.new.tmp"):
        (folder / name).unlink(missing_ok=True)
