"""The host never waits for the device: drawing and mixing read no values of images there.

Tensors on the meta device hold no values, so any read fails; a dispatch mode catches copies that would wait.
"""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dropmix import DropMix, apply_mix
from dropmix.msda.history import History

from .conftest import images, known, seeded, taught

UNITS = ["batch", "sample", "count"]


class Watch(TorchDispatchMode):
    """Collects operations that would make the host wait: copies in either direction, and indices on the host."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.waits = device, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function.overloadpacket.__name__
        tensors = [a for a in args if isinstance(a, torch.Tensor)]
        if name == "_to_copy":
            there = kwargs.get("device")
            crosses = there is not None and there.type != args[0].device.type
            self._note(crosses and not kwargs.get("non_blocking"), name)
        elif name == "copy_":
            crosses = args[0].device.type != args[1].device.type
            self._note(crosses and not (args[2] if len(args) > 2 else kwargs.get("non_blocking")), name)
        elif name in ("index", "index_put", "index_put_"):
            indices = [i for i in args[1] if i is not None]
            self._note(self._here(args[0]) and any(not self._here(i) or i.dtype == torch.bool for i in indices), name)
        elif name in ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero"):
            self._note(any(map(self._here, tensors)), name)
        return function(*args, **kwargs)

    def _here(self, tensor: torch.Tensor) -> bool:
        return tensor.device.type == self.device

    def _note(self, waits: object, name: str) -> None:
        if waits:
            self.waits.append(name)


def _saliency(x, y, *, signed=False, clean=0.0):
    del y, clean
    return x if signed else x.square().mean(1)


def check_nobody_waits(method: str, unit: str, **options: Any) -> None:
    """Draw and apply a method to images on the meta device, with one lam and box per batch and per sample."""
    rate = 0.0 if unit == "batch" else 0.4
    shared: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.2,) * 3} | options
    shared |= taught(method)
    if method == "puzzlemix":
        shared["block_counts"] = [4]  # one grid shows it; larger ones take hundreds of steps more
    for per in ("batch", "sample"):
        augment = DropMix(method, rate, num_classes=9, unit=unit, per=per, **shared)  # pyright: ignore
        x, y = torch.empty(9, 3, 16, 16, device="meta"), torch.empty(9, dtype=torch.int64, device="meta")
        if augment.remembers:
            augment.history = History(x, torch.empty(9, 9, device="meta"))
        with Watch("meta") as watch:
            mix = known(augment.draw(x, y, saliency=_saliency, generator=seeded(), epoch=(1, 2)), x)
            mixed, shares = apply_mix(x, y, mix, num_classes=9)
        assert mixed.device.type == shares.device.type == "meta"
        assert watch.waits == []


@pytest.mark.parametrize("unit", UNITS)
def test_no_method_reads_what_lies_on_another_device(method, unit):
    check_nobody_waits(method, unit)


@pytest.mark.parametrize("unit", UNITS)
def test_puzzlemix_with_noise_and_a_clean_loss_does_not_either(unit):
    check_nobody_waits("puzzlemix", unit, adversarial=1.0, clean=1.0)


def test_the_watch_sees_what_waits():
    x = torch.zeros(4, device="meta")
    here = torch.tensor([0, 1])
    with Watch("meta") as watch:
        here.to("meta")
        here.to("meta", non_blocking=True)
        x[here]
        x[:2].copy_(here)
    assert watch.waits == ["_to_copy", "index", "copy_"]
    with Watch("cpu") as watch:
        bool(here[0] > 0)
        here[here > 0]
    assert set(watch.waits) >= {"_local_scalar_dense", "index"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("unit", UNITS)
def test_no_method_waits_for_a_gpu(method, unit):
    x, y = images(9).cuda(), torch.arange(9).cuda()
    augment = DropMix(method, 0.4, num_classes=9, unit=unit, **taught(method))
    for seed in range(2):
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error" if seed else "default")  # the first round may build tables
        try:
            mix = known(augment.draw(x, y, saliency=_saliency, generator=seeded(seed)), x)
            apply_mix(x, y, mix, num_classes=9)
        finally:
            torch.cuda.set_sync_debug_mode("default")
