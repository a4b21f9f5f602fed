"""Every method on batches of one to seven images: each unit, dtype and number of axes, through `DropMix` itself."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dropmix import DropMix, Mix, apply_mix
from dropmix.msda import METHODS
from dropmix.msda.binding import network_option
from dropmix.msda.rates import mixed_rows
from dropmix.msda.streams import stream

from .conftest import Convolutional, Teacher, known, remembered, saliency_of, seeded, taught, their_share, wants

UNITS = ["batch", "sample", "count"]
SIZES = [1, 2, 3, 5, 7]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
IMAGES_ONLY = {"puzzlemix", "comixup", "supermix", "automix", "snapmix", "tokenmix", "transmix"}
AXES = {"sequence": (2, 11), "volume": (2, 5, 6, 4)}
RATE = 0.4


def _global_states() -> tuple[Any, ...]:
    return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002


class Asked:
    """A saliency function that notes the labels it was asked about, which are the samples' places."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, x: Tensor, y: Tensor, **more: Any) -> Tensor:
        self.rows += y.tolist()
        return saliency_of(x)


def _check(name: str, x: Tensor, unit: Any, per: Any, **options: Any) -> None:
    """Three steps of a method on one batch."""
    y, before, states = torch.arange(len(x)), x.clone(), _global_states()
    augment = DropMix(name, RATE, num_classes=10, unit=unit, per=per, seed=1, **taught(name), **options)
    for step in range(3):
        augment.history, asked = remembered(x, 10), Asked()
        mix = known(augment.draw(x, y, saliency=asked, step=step), x)
        mixed, shares = apply_mix(x, y, mix, num_classes=10)  # hidden states too are mixed as if they were images
        assert (mixed.dtype, shares.dtype) == (x.dtype, torch.float32)
        assert mixed.isfinite().all()
        torch.testing.assert_close(shares.sum(1), mix.lam + their_share(mix))
        assert torch.equal(x, before)
        assert len(asked.rows) == len(set(asked.rows))
        kept = _untouched(mix)
        assert torch.equal(mixed[kept], x[kept])
        if len(x) == 1 or mix.is_identity:
            assert mixed is x
        if wants(name, "saliency") and name != "automix":
            # A method may leave alone what it has asked about, but asks about nothing that is dropped.
            assert set((~kept).nonzero()[:, 0].tolist()) <= set(asked.rows)
            if unit == "count":
                assert len(asked.rows) == (count if (count := len(x) - round(len(x) * RATE)) > 1 else 0)
            if unit == "batch":
                assert len(asked.rows) in (0, len(x))
    assert _global_states() == states


def _untouched(mix: Mix) -> Tensor:
    own = torch.arange(len(mix.lam))
    alone = (mix.partner == own) & (mix.lam == 1) & (their_share(mix) == 0)
    return alone if mix.below is None else alone & _untouched(mix.below)


@pytest.mark.parametrize("unit", UNITS)
def test_images_of_every_dtype(method, unit):
    for size in SIZES:
        for number, dtype in enumerate(DTYPES):
            x = torch.rand(size, 3, 16, 24, generator=seeded(size)).to(dtype)
            _check(method, x, unit, ("batch", "sample")[(size + number) % 2])


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("name", sorted(METHODS.keys() - IMAGES_ONLY - {"manifoldmix"}))  # its states: test_shapes
def test_sequences_and_volumes(name, axes):
    options: dict[str, Any] = {"grid": 3, "cells": 1} if name == "attentivemix" else {}
    for size in SIZES:
        for number, unit in enumerate(UNITS):
            x = torch.rand(size, *AXES[axes], generator=seeded(size)).to(DTYPES[(size + number) % 2])
            _check(name, x, unit, ("batch", "sample")[size % 2], **options)


@pytest.mark.parametrize("name", sorted(IMAGES_ONLY))
@pytest.mark.parametrize("axes", AXES)
def test_what_takes_images_only_says_so(name, axes):
    with pytest.raises(ValueError, match=r"expected x of shape \(B, C, H, W\), got"):
        _check(name, torch.rand(5, *AXES[axes]), "sample", "batch")


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", [name for name in METHODS if network_option(name)])
def test_a_network_sees_none_of_the_dropped_images(name, unit):
    x, y, seen = torch.rand(7, 3, 16, 16, generator=seeded()), torch.arange(7), []
    network = Teacher() if network_option(name) == "teacher" else Convolutional()
    network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    options = taught(name) | {network_option(name) or "": network}
    augment = DropMix(name, RATE, num_classes=10, unit=unit, seed=1, **options)
    at_once = 2 if name == "automix" else 1  # it looks at images and their mixtures together
    counts = set()
    for step in range(12):
        seen.clear()
        augment.draw(x, y, step=step)
        rows = mixed_rows(7, RATE, unit, stream(1, "drop", 0, -1, step))
        mixed = 0 if rows is None else 7 if isinstance(rows, slice) else len(rows)
        assert bool(seen) == (mixed > 0)
        assert all(size <= at_once * mixed for size in seen)
        counts.add(mixed)
    assert counts == {"batch": {0, 7}, "count": {4}}.get(unit, counts)
    assert min(counts) < 7
