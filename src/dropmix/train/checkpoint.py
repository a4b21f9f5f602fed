"""Checkpoints: written whole, the previous one kept, loaded without running code."""

import math
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dropmix.train.files import read_object, sha256, write_atomic

NAME, PREVIOUS, WEIGHTS = "checkpoint.pt", "checkpoint.prev.pt", "weights.pt"


@dataclass
class Place:
    """Where a run stands: next epoch and step, loss summed over the epoch so far, rows of metrics."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def accuracies(self) -> list[tuple[int, float]]:
        """(epoch counted from 1, accuracy) of every evaluation."""
        return [(row["epoch"], row["accuracy"]) for row in self.rows if row["accuracy"] is not None]

    def check(self, epochs: int, steps: int) -> None:
        """Refuse a place that a run of so many epochs and steps per epoch cannot have.

        Raises:
            ValueError: says what is odd.
        """
        whole = type(self.epoch) is int and type(self.step) is int
        if not (whole and 0 <= self.epoch <= epochs and 0 <= self.step <= steps):
            raise ValueError(f"it stands at epoch {self.epoch}, step {self.step} of {epochs} and {steps}")
        times = self.loss_sum, self.seconds
        if not all(type(number) in (int, float) and math.isfinite(number) for number in times) or self.seconds < 0:
            raise ValueError("its loss or its time is no number")
        keys = {"epoch", "lr", "loss", "accuracy"}
        if not (isinstance(self.rows, list) and all(isinstance(row, dict) and row.keys() >= keys for row in self.rows)):
            raise ValueError("its rows of metrics are incomplete")
        if [row["epoch"] for row in self.rows] != list(range(1, self.epoch + 1)):
            raise ValueError("its rows of metrics are not those of its epochs")


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
    folder: Path,
    spec_hash: str,
    device: torch.device | str = "cpu",
    use: Callable[[dict[str, Any]], object] = lambda content: None,
) -> dict[str, Any] | None:
    """Return the newest usable checkpoint of this spec, or None.

    Args:
        folder: the run's folder.
        spec_hash: a checkpoint that carries another hash is not used.
        device: where its tensors go.
        use: called with the content; raises if something in it is missing or odd.
    Raises:
        UnreadableError: the system does not let it be read. It may be whole, so nothing takes its place.
    Warns:
        UserWarning: a checkpoint is damaged, foreign or incomplete; the message names it, and the previous one is used;
            without one the run starts again.
    """
    paths = [folder / name for name in (f"{NAME}.new", NAME, PREVIOUS) if os.path.lexists(folder / name)]
    for path in paths:
        try:
            content = read_saved(path, device)
            if content.get("spec_hash") == spec_hash:
                use(content)
                return content
            reason = "it belongs to another spec"
        except DamagedError as error:
            reason = str(error)
        except KeyError as error:
            reason = f"it lacks {error.args[0]}"
        except torch.OutOfMemoryError:  # of the device: nothing is wrong with the file
            raise
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
            if isinstance(error, UnreadableError):
                raise
            reason = str(error).strip().split("\n")[0] or type(error).__name__
        next_step = "the run starts again" if path == paths[-1] else "trying the one before"
        warnings.warn(f"checkpoint {path} cannot be used ({reason}); {next_step}", stacklevel=2)
    return None


def load_run_weights(net: nn.Module, run: Path, spec_hash: str, device: torch.device | str = "cpu") -> None:
    """Fill a network with the weights that a finished run wrote.

    Raises:
        ValueError: they are damaged, of another run or network, or not finite; the message names the file.
    """
    path = run / WEIGHTS
    try:
        stored = read_saved(path, device)
        if stored.get("spec_hash") != spec_hash:
            raise DamagedError(f"those of another run ({stored.get('spec_hash')})")
        net.load_state_dict(stored["model"])
        if not all(bool(value.isfinite().all()) for value in net.state_dict().values()):
            raise DamagedError("some that are not finite")
        noted = (read_object(run / "done") or {}).get("weights_sha256")  # runs of older versions noted none
        if noted is not None and noted != sha256(path):
            raise DamagedError("others than it wrote (SHA-256 differs from done)")
    except (DamagedError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        got = str(error) if isinstance(error, DamagedError) else "tensors of another network"
        raise ValueError(
            f"{path}: expected the weights of the run {spec_hash}, got {got}. Copy them again from where it was "
            "trained, or remove the run's folder and run again."
        ) from None


class DamagedError(Exception):
    """A file of saved tensors is damaged or foreign; the message says how, without the file's name."""


class UnreadableError(ValueError):
    """A file of saved tensors cannot be opened or read."""


def read_saved(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The content of a file that we saved, read without running code, its checksums compared.

    Raises:
        DamagedError: no such file.
        UnreadableError: the system does not let it be read.
    """
    if not path.is_file():
        raise DamagedError("no regular file")
    try:
        _check_sums(path)
        content = torch.load(path, map_location=device, weights_only=True)
    except torch.OutOfMemoryError:
        raise
    except pickle.UnpicklingError:  # torch's own message advises running the file's code
        raise DamagedError("more than tensors, numbers and texts") from None
    except OSError as error:
        if error.errno is None:
            raise DamagedError("a damaged file") from None
        raise UnreadableError(
            f"{path}: expected a file that can be read, got: {error.strerror}. Change its permissions, or remove it."
        ) from error
    except Exception:  # zipfile, pickle and torch each have errors of their own for damaged content
        raise DamagedError("a damaged file") from None
    if not isinstance(content, dict):
        raise DamagedError("no names and values")
    return content


def _check_sums(path: Path) -> None:
    """torch.load ignores the checksums of its zip file: one flipped bit would pass as a weight."""
    with zipfile.ZipFile(path) as file:
        if sum(entry.file_size for entry in file.infolist()) > path.stat().st_size:  # ours are not compressed
            raise zipfile.BadZipFile("it unpacks to more than its size")
        bad = file.testzip()
    if bad is not None:
        raise zipfile.BadZipFile(f"{bad} does not match its checksum")


def remove_checkpoints(folder: Path) -> None:
    """Delete a finished run's checkpoints, and partial files that a crash left."""
    for name in (NAME, PREVIOUS, f"{NAME}.new", f".{NAME}.new.tmp"):
        (folder / name).unlink(missing_ok=True)
