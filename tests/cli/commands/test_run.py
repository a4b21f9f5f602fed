"""What would fail at the start of every run is refused before the first one starts."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dropmix.cli.app import app
from dropmix.grid import estimate

NETS = """
import torch
from torch import nn
def maps(num_classes, in_channels):
    return nn.Conv2d(in_channels, num_classes, 3)
def large(num_classes, in_channels):
    return nn.Sequential(nn.Conv2d(in_channels, 2, 64), nn.Flatten(), nn.LazyLinear(num_classes))
def flat(num_classes, in_channels):
    return nn.Sequential(nn.Flatten(), nn.Linear(64 * in_channels, num_classes))
"""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["network=timm:resnet18x"], "expected a network of timm, got 'resnet18x'. Did you mean 'resnet18'?"),
        (["network=torchvision:resnt18"], "expected a classifier of torchvision, got 'resnt18'. Did you mean"),
        (["network=torchvision:squeezenet1_1"], "to take images of 1 x 8 x 8, got: "),
        (["network=net.py:maps"], "expected logits (B, 10) of net.py:maps, one per class, got (2, 10, 6, 6)"),
        (["network=net.py:large"], "expected net.py:large to take images of 1 x 8 x 8, got: "),
        (["train.optimizer=adamww"], "got 'adamww'. Did you mean 'adamw'?"),
        (["train.optimizer_options={foo: 1}"], "train.optimizer_options: sgd cannot take them"),
        (["train.freeze=backbon"], "train.freeze: expected names of weights such as"),
        (["data.augment=randaugmnt(2,9)"], "got 'randaugmnt(2,9)'. Did you mean 'randaugment'?"),
        (["--methods=transmix"], "expected a vision transformer of timm or torchvision with a class token"),
        (["--methods=tokenmix(grid=4)", "network=net.py:flat"], "tokenmix with net.py:flat: feature map: expected a"),
        (["--methods=attentivemix(grid=4)", "network=net.py:flat"], "attentivemix with net.py:flat: feature map:"),
        (
            ["--methods=manifoldmix", "network=net.py:flat"],
            "net.py:flat: expected layers of at most 1, got 3. It shows",
        ),
        (["--methods=manifoldmix(layers=4)"], "with wrn10-1: expected layers of at most 3, got 4. Lower it."),
        (["--methods=tokenmix", "train.micro_batch=4"], "expected a method without a second pass or hidden states"),
        (["--methods=recursivemix", "train.shards=2"], "expected 1 with recursivemix, which mixes with"),
        (["train.schedule.kind=cosin"], "Input should be 'step', 'cosine', 'constant' or 'one-cycle'"),
    ],
)
@pytest.mark.parametrize("only", [(), ("--dry-run",)])
def test_a_mistyped_name_stops_the_grid_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str], message: str, only: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NETS)
    asked = [word for text in settings for word in ((text,) if text.startswith("--") else ("--set", text))]
    result = CliRunner().invoke(app, ["run", "digits", "--epochs", "1", "--out", "runs", *asked, *only])
    assert message in str(result.exception)
    assert isinstance(result.exception, ValueError)  # status 2
    assert not Path("runs").exists()


@pytest.mark.parametrize(("slowdown", "said"), [(4.0, ", 4.4 h while this machine is as busy as now"), (1.2, "")])
def test_a_dry_run_gives_the_time_of_idle_cores_and_of_busy_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slowdown: float, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dropmix.train.device.cores", lambda: 2)
    monkeypatch.setattr(estimate, "speed", lambda *_: estimate.Speed(step=1.0, look=0.0))
    monkeypatch.setattr(estimate.time, "process_time", lambda: 500.0)
    monkeypatch.setattr(estimate.Stopwatch, "slowdown", lambda self: slowdown)
    asked = ["run", "digits", "--epochs", "1", "--methods", "vanilla", "--seeds", "3", "--device", "cpu", "--dry-run"]
    last = CliRunner().invoke(app, asked).output.splitlines()[-1]
    # Three runs of 1258 s on two workers, and twice 500 s to import and to read the images.
    assert last.endswith(f"about 59 min with 2 workers on idle cores{said}")
