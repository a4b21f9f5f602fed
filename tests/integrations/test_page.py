"""The code of docs/in-your-loop.md, run as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

from dropmix import DropMix, apply_mix

PAGE = Path(__file__).parents[2] / "docs" / "in-your-loop.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=[block.split("\n")[0][:30] for block in BLOCKS])
def test_a_block_runs(code: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10))
    data = TensorDataset(torch.rand(64, 3, 8, 8), torch.arange(64) % 4)
    given: dict[str, Any] = {"torch": torch, "DropMix": DropMix, "apply_mix": apply_mix, "DataLoader": DataLoader}
    given |= {"default_collate": default_collate, "data": data, "train": data, "test": data, "model": model}
    given |= {"loader": DataLoader(data, 32), "optimizer": torch.optim.SGD(model.parameters(), 0.1)}
    given |= {"augment": DropMix("cutmix", num_classes=10, seed=0), "weight": torch.ones(10)}
    given |= dict(zip("xy", next(iter(given["loader"]))))
    if "lightning" in code:
        given["lightning"] = pytest.importorskip("lightning")
    if "transformers" in code:
        arguments = pytest.importorskip("transformers").TrainingArguments
        pytest.importorskip("accelerate")
        given["arguments"] = arguments(output_dir=str(tmp_path), report_to="none", use_cpu=True)
    before = model[1].weight.detach().clone()
    exec(compile(code, str(PAGE), "exec"), given)
    assert torch.equal(before, model[1].weight) == ("optimizer.step()" not in code)
    if "loss" in given:
        assert given["loss"].isfinite()
    if "rate={" in code:
        assert given["augment"].rate.tolist() == [0, 0, 0, 0.8, 0, 0, 0, 0, 0, 0]
    if "collate_fn" in code:
        assert [y.shape for _, y in given["loader"]] == [(64, 4)]
    if "Module" in given:
        module = given["Module"]()
        module.net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
        assert module.training_step((given["x"], given["y"]), 0).requires_grad
        assert any("augment" in name for name in module.state_dict())
