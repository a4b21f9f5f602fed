"""Commands run as a user runs them, with little memory and time: a refusal must be cheap."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dropmix.recipes import get_recipe
from dropmix.train.config import Arm

MEMORY = 2_000_000_000  # bytes that a command may take at its peak
SECONDS, HANGS = 30, 300  # of processor time, and until a command counts as one that hangs: machines may be busy
CLASSES = ("cat", "dog", "fox", "yak")


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit status, what it printed, and its peak memory in bytes."""

    status: int
    out: str
    err: str
    peak: int


Run = Callable[..., Ran]
Refused = Callable[..., str]


@pytest.fixture(scope="session")
def server() -> Iterator[subprocess.Popen]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "DROPMIX_CACHE": "off"}
    command = [sys.executable, str(Path(__file__).with_name("serve.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def run(server: subprocess.Popen, tmp_path: Path) -> Run:
    """Run a command in the folder `here`, within 2 GB and half a minute; a traceback is never an answer."""
    (tmp_path / "here").mkdir()

    def ask(*words: str, env: Mapping[str, str] | None = None, **more: str | int | None) -> Ran:
        job = {"words": words, "cwd": str(tmp_path / "here"), "env": dict(env or {}), "seconds": HANGS}
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(job | more) + "\n")
        server.stdin.flush()
        ended = json.loads(server.stdout.readline())
        out, err = (
            (tmp_path / name).read_text(errors="replace") if (tmp_path / name).is_file() else ""
            for name in ("stdout", "stderr")
        )
        assert "Traceback" not in out + err, err[-1500:]
        assert ended["status"] not in (-9, 97), (ended, err[-500:])
        assert ended["peak"] < MEMORY, f"{words}: {ended['peak']:,} bytes"
        assert ended["busy"] < SECONDS, f"{words}: {ended['busy']:.0f} seconds of processor time"
        return Ran(ended["status"], out, err, ended["peak"])

    return ask


@pytest.fixture
def here(run: Run, tmp_path: Path) -> Path:
    """The folder in which commands run."""
    return tmp_path / "here"


@pytest.fixture
def refused(run: Run, here: Path) -> Refused:
    """Run a command that must be refused: exit status 2, one line that names what is wrong, and nothing written."""

    def ask(*words: str, names: str = "") -> str:
        there = {path for path in here.rglob("*") if "/out/" in f"{path}/"}
        ran = run(*words)
        said = ran.err.strip()
        assert ran.status == 2, (ran.status, said[-500:])
        assert len(said.splitlines()) == 1, said[-1500:]
        assert len(said) < 1_200, said
        assert said.isprintable(), said
        assert names in said, said
        assert {path for path in here.rglob("*") if "/out/" in f"{path}/"} == there
        return said

    return ask


def _predictions(path: Path, seed: int, classes: tuple[str, ...] = CLASSES) -> Path:
    rng, labels = np.random.default_rng(seed), np.arange(400) % 4
    pred = np.where(rng.random(400) < 0.2, rng.integers(0, 4, 400), labels)
    rows = [f'{i},"{classes[a]}","{classes[b]}"\n' for i, (a, b) in enumerate(zip(labels, pred))]
    path.write_text("id,label,pred\n" + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def predictions() -> Callable[..., Path]:
    """Write 400 predictions of four classes as CSV: called with a path, a seed and perhaps their names."""
    return _predictions


@pytest.fixture
def pair(here: Path) -> tuple[str, str]:
    """Two sound files of predictions."""
    return tuple(_predictions(here / name, seed).name for seed, name in enumerate(("a.csv", "b.csv")))  # type: ignore[return-value]


@pytest.fixture
def grid(here: Path) -> list[Path]:
    """Folders of six finished runs that never trained: predictions by a coin."""
    rng, folders = np.random.default_rng(0), []
    base = get_recipe("digits").base
    for arm, seed in [(arm, seed) for arm in ("vanilla", "mixup") for seed in range(3)]:
        spec = base.model_copy(update={"arm": Arm(name=arm, method=arm), "seed": seed})
        folder = here / "g" / spec.folder_name
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(spec.to_json())
        label = np.arange(400) % 4
        pred = np.where(rng.random(400) < 0.2, rng.integers(0, 4, 400), label)
        rows = {"arm": [arm] * 400, "seed": [seed] * 400, "example_id": np.arange(400), "label": label, "pred": pred}
        pq.write_table(pa.table(rows), folder / "predictions.parquet")
        (folder / "metrics.jsonl").write_text('{"epoch": 2}\n')
        (folder / "done").write_text(json.dumps({"seconds": 1.5, "environment": {"python": "3"}}))
        folders.append(folder)
    return folders
