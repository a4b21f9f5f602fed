import warnings

import pytest
import torch

from dropmix.train.checkpoint import NAME, PREVIOUS, load_checkpoint, remove_checkpoints, save_checkpoint


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
        assert load_checkpoint(tmp_path, "h", fields=("weights", "rows"))["number"] == 0


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
