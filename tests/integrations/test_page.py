"""The code of docs/in-your-loop.md, run as it stands there."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from glob import glob
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

from dropmix import DropMix, apply_mix, save_predictions

PAGE = Path(__file__).parents[2] / "docs" / "in-your-loop.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=[block.split("\n")[0][:30] for block in BLOCKS])
def test_a_block_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10))
    data = TensorDataset(torch.rand(64, 3, 8, 8), torch.arange(64) % 4)
    given: dict[str, Any] = {"torch": torch, "DropMix": DropMix, "apply_mix": apply_mix, "DataLoader": DataLoader}
    given |= {"json": json, "Path": Path, "save_predictions": save_predictions}
    given |= {"default_collate": default_collate, "data": data, "train": data, "test": data, "model": model}
    given |= {"images": data.tensors[0], "labels": data.tensors[1], "names": [f"{i}.png" for i in range(64)]}
    given |= {"test_loader": DataLoader(data, 24), "patients": torch.arange(64) // 2, "sites": ["north", "south"] * 32}
    given |= {"findings": torch.arange(128).view(64, 2) // 3 % 2, "scores": torch.rand(64, 2)}
    given |= {"loader": DataLoader(data, 32), "optimizer": torch.optim.SGD(model.parameters(), 0.1)}
    given |= {"augment": DropMix("cutmix", num_classes=10, seed=0), "weight": torch.ones(10)}
    given |= dict(zip("xy", next(iter(given["loader"]))))
    if "lightning" in code:
        given["lightning"] = pytest.importorskip("lightning")
    if "transformers" in code:
        arguments = pytest.importorskip("transformers").TrainingArguments
        pytest.importorskip("accelerate")
        given["arguments"] = arguments(output_dir=str(tmp_path), report_to="none", use_cpu=True)
    if "keras" in code:
        monkeypatch.setenv("KERAS_BACKEND", "torch")
        keras = given["keras"] = pytest.importorskip("keras")
        given["net"] = keras.Sequential([keras.Input((3, 8, 8)), keras.layers.Flatten(), keras.layers.Dense(10)])
    for host in ("ignite", "skorch"):
        if f"from {host}" in code:
            pytest.importorskip(host)
    tracker = next((name for name in ("tensorboard", "mlflow", "wandb") if name in code), None)
    if tracker:
        pytest.importorskip(tracker)
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
        monkeypatch.setenv("WANDB_DIR", str(tmp_path))
        run = tmp_path / "runs" / "mine" / "vanilla-s0"
        run.mkdir(parents=True)
        rows = [
            {"epoch": 1, "lr": 0.1, "loss": 2.5, "accuracy": None},
            {"epoch": 2, "lr": 0.1, "loss": 1.5, "accuracy": 0.5},
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (run / "spec.json").write_text("{}")
    before = model[1].weight.detach().clone()
    exec(compile(code, str(PAGE), "exec"), given)
    trains = any(words in code for words in ("optimizer.step()", "trainer.run", "NeuralNetClassifier"))
    assert torch.equal(before, model[1].weight) != trains
    if "loss" in given:
        assert given["loss"].isfinite()
    if "keras" in code:
        table = pq.read_table("mixed-0.parquet")
        saved = dict(zip(table["example_id"].to_pylist(), table["pred"].to_pylist()))
        assert [saved[name] for name in given["names"]] == given["net"].predict(data.tensors[0]).argmax(1).tolist()
    if tracker == "tensorboard":
        events = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
        found = events.EventAccumulator("tracked/vanilla-s0").Reload()
        assert [(e.step, e.value) for e in found.Scalars("loss")] == [(1, 2.5), (2, 1.5)]
        assert [(e.step, e.value) for e in found.Scalars("accuracy")] == [(2, 0.5)]
    if tracker == "mlflow":
        (tracked,) = given["mlflow"].search_runs(search_all_experiments=True, output_format="list")
        assert tracked.info.run_name == "vanilla-s0"
        assert (tracked.data.metrics["loss"], tracked.data.metrics["accuracy"]) == (1.5, 0.5)
    if tracker == "wandb":
        (offline,) = tmp_path.glob("wandb/offline-run-*/*.wandb")  # until it is synchronised
        assert all(text in offline.read_bytes() for text in (b"vanilla-s0", b"accuracy", b"2.5", b"1.5"))
    if "rate={" in code:
        assert given["augment"].rate.tolist() == [0, 0, 0, 0.8, 0, 0, 0, 0, 0, 0]
    if "collate_fn" in code and "keras" not in code and "skorch" not in code:
        assert [y.shape for _, y in given["loader"]] == [(64, 4)]
    if "Module" in given:
        module = given["Module"]()
        module.net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
        assert module.training_step((given["x"], given["y"]), 0).requires_grad
        assert any("augment" in name for name in module.state_dict())


def test_the_saved_predictions_are_what_the_lines_below_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The section's blocks for three seeds of two arms, then its two commands."""
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    section = text[text.index("## Save the predictions, and audit") :].split("\n## ")[0]
    loop, several = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("dropmix")]
    generator = torch.Generator().manual_seed(0)
    x, labels = torch.eye(4)[torch.arange(400) % 4], torch.arange(400) % 4
    findings = torch.stack([labels % 2, labels // 2], 1)
    given: dict[str, Any] = {"torch": torch, "save_predictions": save_predictions}
    given |= {"labels": labels, "findings": findings}
    given |= {"names": [f"{i}.png" for i in range(400)], "patients": torch.arange(400) // 4, "sites": ["n", "s"] * 200}
    for seed in range(3):
        for arm, folder in (("vanilla", "old"), ("cutmix", "new")):
            noise = torch.randn(400, 4, generator=generator) / 4
            noise[:, 3] -= 2 * (arm == "cutmix")  # class 3 is lost
            given["test_loader"] = DataLoader(TensorDataset(x + noise, labels), 64)
            given["scores"] = (findings - noise[:, 2:].abs() * (arm == "cutmix")).clamp(0, 1)
            given["model"] = nn.Identity()
            exec(loop.replace("cutmix", arm).replace("seed=0", f"seed={seed}").replace("-0.", f"-{seed}."), given)
            exec(several.replace("new/0", f"{folder}/{seed}"), given)
    for line, (protected, lost) in zip(lines, (("3", "3"), ("nodule", "nodule sensitivity")), strict=True):
        words = [file for word in shlex.split(line)[1:] for file in (sorted(glob(word)) if "*" in word else [word])]
        done = subprocess.run([sys.executable, "-m", "dropmix", *words], capture_output=True, text=True, timeout=120)
        assert done.returncode == 3, done.stderr + done.stdout
        (made,) = json.loads(Path("audit/audit.json").read_text())["comparisons"]
        decided = {row["class"]: row["decision"] for row in made["classes"]}
        assert decided[lost] == "hurt", (protected, decided)
    assert {row["slice"] for row in made["slices"]} == {"n", "s"}
    assert made["classes"][0]["n_groups"] <= 100
