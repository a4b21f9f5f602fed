"""A network of timm with weights of a file, fine-tuned through the command line: killed, resumed to the same bits."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

timm = pytest.importorskip("timm")
save_file = pytest.importorskip("safetensors.torch").save_file

SETTINGS = (
    "network=timm:test_resnet",
    "weights=w.safetensors",
    "data.augment=randaugment(2,9)",
    "data.size=32",
    "train.ema=0.9",
    "train.balance=sampler",
    "train.batch=8",
)
ARGUMENTS = "--data pictures --methods mixup --rates 0.4 --seeds 1 --epochs 2 --workers 1 --checkpoint-every 0s".split()


def make_inputs(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name, value in (("dark", 60), ("bright", 190)):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(16):
            pixels = np.clip(rng.normal(value, 40, (40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{i}.png")
    save_file(timm.create_model("test_resnet", num_classes=10).state_dict(), folder / "w.safetensors")


def start(folder: Path, out: str) -> subprocess.Popen:
    sets = [part for setting in SETTINGS for part in ("--set", setting)]
    command = [sys.executable, "-m", "dropmix", "run", "finetune", *ARGUMENTS, *sets, "--out", out]
    environment = os.environ | {"DROPMIX_CACHE": "off", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def digests(folder: Path) -> dict[str, str]:
    found = [file for name in ("predictions.parquet", "metrics.jsonl") for file in folder.glob(f"*/{name}")]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in found}


@pytest.mark.slow
def test_killed_and_resumed_to_the_same_bits(tmp_path: Path) -> None:
    make_inputs(tmp_path)
    whole = start(tmp_path, "whole")
    told = whole.communicate(timeout=300)[0].decode()
    assert whole.returncode == 0, told
    assert "2 classes; images per class:" in told
    killed = start(tmp_path, "parts")
    limit = time.monotonic() + 120
    while not [*(tmp_path / "parts").glob("*/checkpoint.pt")] and killed.poll() is None and time.monotonic() < limit:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    again = start(tmp_path, "parts")
    told = again.communicate(timeout=300)[0].decode()
    assert again.returncode == 0, told
    assert digests(tmp_path / "parts") == digests(tmp_path / "whole")
    assert len(digests(tmp_path / "whole")) == 4
