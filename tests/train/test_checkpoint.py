import errno
import os
import pickle
import warnings
import zipfile

import pytest
import torch

from dropmix.nets.weights import read_weights
from dropmix.train.checkpoint import (
    NAME,
    PREVIOUS,
    load_checkpoint,
    load_run_weights,
    remove_checkpoints,
    save_checkpoint,
)
from dropmix.train.files import no_space


def content(number: int) -> dict:
    return {
        "spec_hash": "h",
        "number": number,
        "weights": {"w": torch.full((3,), float(number))},
        "rows": [{"a": None}],
    }


def test_the_newest_is_loaded_and_the_one_before_kept(tmp_path):
    for number in range(3):
        save_checkpoint(tmp_path, content(number))
    found = load_checkpoint(tmp_path, "h")
    assert found["number"] == 2
    assert torch.equal(found["weights"]["w"], torch.full((3,), 2.0))
    assert torch.load(tmp_path / PREVIOUS, weights_only=True)["number"] == 1


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "text"])
def test_a_damaged_one_is_reported_and_the_one_before_used(tmp_path, damage):
    save_checkpoint(tmp_path, content(0))
    save_checkpoint(tmp_path, content(1))
    path = tmp_path / NAME
    raw = path.read_bytes()
    flipped = bytes(b ^ 255 for b in raw[: len(raw) // 2]) + raw[len(raw) // 2 :]
    path.write_bytes({"truncate": raw[: len(raw) // 2], "flip": flipped, "empty": b"", "text": b"hello"}[damage])
    with pytest.warns(UserWarning, match=r"checkpoint\.pt cannot be used"):
        assert load_checkpoint(tmp_path, "h")["number"] == 0


def test_one_without_what_a_run_needs_is_reported_and_the_one_before_used(tmp_path):
    save_checkpoint(tmp_path, content(0))
    save_checkpoint(tmp_path, {key: value for key, value in content(1).items() if key != "rows"})
    with pytest.warns(UserWarning, match=r"checkpoint\.pt cannot be used \(it lacks rows\)"):
        assert load_checkpoint(tmp_path, "h", use=lambda held: held["rows"])["number"] == 0


def test_a_new_start_is_said_if_none_is_left(tmp_path):
    save_checkpoint(tmp_path, content(0))
    save_checkpoint(tmp_path, content(1))
    for name in (NAME, PREVIOUS):
        (tmp_path / name).write_bytes(b"hello")
    with pytest.warns(UserWarning, match="the run starts again") as warned:
        assert load_checkpoint(tmp_path, "h") is None
    said = [str(warning.message) for warning in warned]
    assert [text.rpartition("; ")[2] for text in said] == ["trying the one before", "the run starts again"]


def test_a_single_flipped_bit_in_the_weights_is_noticed(tmp_path):
    save_checkpoint(tmp_path, content(0))
    save_checkpoint(tmp_path, content(1))
    path = tmp_path / NAME
    raw = bytearray(path.read_bytes())
    place = bytes(raw).index(torch.full((3,), 1.0).numpy().tobytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    with pytest.warns(UserWarning, match="cannot be used"):
        assert load_checkpoint(tmp_path, "h")["number"] == 0


def test_one_of_another_spec_is_not_used(tmp_path):
    save_checkpoint(tmp_path, content(0))
    with pytest.warns(UserWarning, match="another spec"):
        assert load_checkpoint(tmp_path, "other") is None


def test_none_is_no_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_checkpoint(tmp_path, "h") is None


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"spec_hash": "h", "bomb": Bomb()}, tmp_path / NAME)
    with pytest.warns(UserWarning, match="cannot be used"):
        assert load_checkpoint(tmp_path, "h") is None
    assert not (tmp_path / "ran").exists()


def test_removed_with_all_that_a_crash_left(tmp_path):
    save_checkpoint(tmp_path, content(0))
    save_checkpoint(tmp_path, content(1))
    (tmp_path / f".{NAME}.new.tmp").touch()
    remove_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())


CODE = pickle.dumps(print)  # a name to call, which a pickle could hold
FOREIGN = {
    "empty": b"",
    "text": b"hello",
    "code": CODE,
    "list": [1],
    "tensor": torch.zeros(3),
    "module": torch.nn.Linear(2, 2),
    "no weights": {"spec_hash": "h"},
    "number for weights": {"spec_hash": "h", "model": 3},
    "other tensors": {"spec_hash": "h", "model": {"weight": torch.zeros(1), "bias": torch.zeros(1)}},
    "numbers for names": {"spec_hash": "h", "model": {1: torch.zeros(1)}},
    "not finite": {"spec_hash": "h", "model": {"weight": torch.full((2, 2), torch.nan), "bias": torch.zeros(2)}},
    "another run's": {"spec_hash": "\x1bx", "model": torch.nn.Linear(2, 2).state_dict()},
}


def packed(path):
    """A small file that unpacks to 500 MB of zeros."""
    torch.save({"spec_hash": "h", "model": {"weight": torch.zeros(2, 2)}}, path)
    with zipfile.ZipFile(path) as stored:
        held = {entry.filename: stored.read(entry) for entry in stored.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, part in held.items():
            bomb.writestr(name, bytes(500_000_000) if name.endswith("data/0") else part)


def test_packed_weights_are_refused_unread(tmp_path):
    packed(tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="got a damaged file"):
        load_run_weights(torch.nn.Linear(2, 2), tmp_path, "h")
    with pytest.raises(ValueError, match="expected a state dict that can be read"):
        read_weights(str(tmp_path / "weights.pt"), "wrn10-1")


def test_a_foreign_archive_is_no_full_disk(tmp_path):
    with zipfile.ZipFile(tmp_path / "weights.pt", "w") as file:
        file.writestr("x", "y")
    with pytest.raises(ValueError, match="got a damaged file") as told:
        load_run_weights(torch.nn.Linear(2, 2), tmp_path, "h")
    assert no_space(told.value) is None


@pytest.mark.parametrize("kind", FOREIGN)
def test_weights_that_are_not_the_runs_are_refused_by_name_and_without_torchs_advice(tmp_path, kind):
    held, path = FOREIGN[kind], tmp_path / "weights.pt"
    path.write_bytes(held) if isinstance(held, bytes) else torch.save(held, path)
    with pytest.raises(ValueError, match=r"weights\.pt: expected the weights of the run h, got .* run again\.") as told:
        load_run_weights(torch.nn.Linear(2, 2), tmp_path, "h")
    assert "weights_only" not in str(told.value)
    assert len(str(told.value)) < 400


@pytest.mark.parametrize("kind", ["pipe", "folder", "loop"])
def test_checkpoints_that_are_no_files_are_said_and_the_one_before_used(tmp_path, kind):
    save_checkpoint(tmp_path, content(0))
    save_checkpoint(tmp_path, content(1))
    path = tmp_path / NAME
    path.unlink()
    {"pipe": lambda: os.mkfifo(path), "folder": path.mkdir, "loop": lambda: path.symlink_to(path)}[kind]()
    with pytest.warns(UserWarning, match="no regular file"):
        assert load_checkpoint(tmp_path, "h")["number"] == 0


def test_a_checkpoint_that_the_system_does_not_let_be_read_is_kept(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, content(0))

    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(torch, "load", broken)
    with pytest.raises(ValueError, match=r"checkpoint\.pt: expected a file that can be read, got: Input/output error"):
        load_checkpoint(tmp_path, "h")
