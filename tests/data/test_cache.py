"""The cache of decoded pictures: hit, invalidation, damage, faults of the disk, room."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from dropmix.data import cache, load


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPMIX_CACHE", "on")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cache, "WORTH", 0.0)
    return tmp_path / "home" / "dropmix"


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "source"
    file.write_bytes(b"one")
    return file


class Decoder:
    """Counts how often it is asked."""

    def __init__(self, rng, shape=(4, 3, 2, 3)):
        self.array, self.calls = rng.integers(0, 256, shape, dtype=np.uint8), 0

    def __call__(self):
        self.calls += 1
        return self.array


def ask(decoder, source, rows=(0, 1), settings=("a",)):
    return cache.cached([source], np.array(rows), settings, decoder)


def test_second_time_is_read_back(root, source, rng):
    decoder = Decoder(rng)
    first, second = ask(decoder, source), ask(decoder, source)
    assert decoder.calls == 1
    assert (first == second).all()
    assert second.shape == first.shape
    second[:] = 0  # a private copy: neither the file nor the next reader sees it
    assert (ask(decoder, source) == decoder.array).all()
    assert [file.suffix for file in root.iterdir()] == [".npy"]


def test_anything_that_matters_makes_a_new_entry(root, source, rng):
    decoder = Decoder(rng)
    ask(decoder, source)
    ask(decoder, source, rows=(0, 2))
    ask(decoder, source, settings=("b",))
    source.write_bytes(b"three")
    ask(decoder, source)
    os.utime(source, ns=(0, 0))
    ask(decoder, source)
    assert decoder.calls == 5


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:-40] + bytes([content[-40] ^ 1]) + content[-39:],
        lambda content: b"x" * len(content),
        lambda content: content.replace(b"|u1", b"|i1"),
        lambda content: content.replace(b"(4, 3,", b"(3, 4,"),
    ],
)
def test_damaged_entry_is_rebuilt(root, source, rng, damage):
    decoder = Decoder(rng)
    ask(decoder, source)
    (file,) = root.iterdir()
    content = file.read_bytes()
    assert damage(content) != content
    file.write_bytes(damage(content))
    assert (ask(decoder, source) == decoder.array).all()
    assert decoder.calls == 2
    assert file.read_bytes() == content


def test_off(root, source, rng, monkeypatch):
    monkeypatch.setenv("DROPMIX_CACHE", "OFF")
    decoder = Decoder(rng)
    for _ in range(2):
        assert (ask(decoder, source) == decoder.array).all()
    assert decoder.calls == 2
    assert not root.exists()


def test_quick_decoding_is_not_kept(root, source, rng, monkeypatch):
    monkeypatch.setattr(cache, "WORTH", 60.0)
    ask(Decoder(rng), source)
    assert not root.exists()


def test_a_cache_that_cannot_be_written_is_no_error(root, source, rng, monkeypatch):
    decoder = Decoder(rng)
    root.parent.write_text("a file where the folder should be")
    assert (ask(decoder, source) == decoder.array).all()
    root.parent.unlink()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert (ask(decoder, source) == decoder.array).all()
    assert list(root.iterdir()) == []


def test_no_home(monkeypatch):
    monkeypatch.setenv("DROPMIX_CACHE", "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert cache.folder() is None


def test_least_recently_used_entries_make_room(root, source, rng, monkeypatch):
    decoder = Decoder(rng, (100, 1, 1, 3))  # entries of 128 + 300 + 32 bytes

    def calls_for(name):
        before = decoder.calls
        ask(decoder, source, settings=(name,))
        return decoder.calls - before

    monkeypatch.setattr(cache, "LIMIT", 1000)
    for age, name in ((200, "first"), (100, "second")):
        assert calls_for(name) == 1
        newest = max(root.iterdir(), key=lambda file: file.stat().st_mtime)
        os.utime(newest, (time.time() - age,) * 2)
    assert calls_for("first") == 0  # so that "second" is the one used longest ago
    assert calls_for("third") == 1
    assert [calls_for(name) for name in ("first", "third", "second")] == [0, 0, 1]
    monkeypatch.setattr(cache, "LIMIT", 599)
    assert [calls_for("more than half of the room") for _ in range(2)] == [1, 1]


def test_unfinished_files_are_swept_away_after_a_day(root, source, rng):
    root.mkdir(parents=True)
    for name, age in (("fresh.tmp", 10), ("stale.tmp", 100_000)):
        (root / name).write_bytes(b"x")
        os.utime(root / name, (time.time() - age,) * 2)
    ask(Decoder(rng), source)
    assert sorted(file.suffix for file in root.iterdir()) == [".npy", ".tmp"]
    assert (root / "fresh.tmp").exists()


def test_killed_while_writing_leaves_nothing_that_is_read(root, source, rng):
    code = """
import os, sys, numpy as np
from pathlib import Path
from dropmix.data import cache
cache.WORTH = 0.0
os.replace = lambda *_: os.kill(os.getpid(), 9)
cache.cached([Path(sys.argv[1])], np.array([0, 1]), ("a",), lambda: np.zeros((4, 3, 2, 3), np.uint8))
"""
    assert subprocess.run([sys.executable, "-c", code, str(source)], check=False).returncode == -9
    assert [file.suffix for file in root.iterdir()] == [".tmp"]
    decoder = Decoder(rng)
    assert (ask(decoder, source) == decoder.array).all()
    assert decoder.calls == 1


def test_loading_through_the_cache_changes_nothing(root, tmp_path, rng, write_folder, monkeypatch):
    names = [f"{split}/{c}/{n}.png" for split in ("train", "test") for c in "ab" for n in range(3)]
    pictures = {name: rng.integers(0, 256, (5, 5, 3), dtype=np.uint8) for name in names}
    path = write_folder(tmp_path / "pets", pictures)
    fresh, kept = load("folder", path), load("folder", path)
    assert len(list(root.iterdir())) == 2
    monkeypatch.setenv("DROPMIX_CACHE", "off")
    assert fresh.fingerprint == kept.fingerprint == load("folder", path).fingerprint
    assert kept.train.images.flags.c_contiguous
    monkeypatch.setenv("DROPMIX_CACHE", "on")
    changed = {"train/a/0.png": 255 - pictures["train/a/0.png"]}
    assert load("folder", write_folder(path, changed)).fingerprint != fresh.fingerprint


def test_digits_through_the_cache(root):
    first, second = load("digits", None), load("digits", None)
    assert first.fingerprint == second.fingerprint
    assert len(list(root.iterdir())) == 1
