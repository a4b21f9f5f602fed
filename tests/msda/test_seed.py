"""DropMix by seed: draws are a function of seed, rank, worker and step, in any loop."""

import copy
import io
import pickle
import threading
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from dropmix import DropMix
from dropmix.msda.streams import stream

from .conftest import images, seeded


def _augment(rate: Any = 0.0, **options: Any) -> DropMix:
    return DropMix(options.pop("method", "mixup"), rate, num_classes=8, per="sample", **({"seed": 0} | options))


def _draws(augment: DropMix, steps: int = 6, **given: Any) -> list[torch.Tensor]:
    x, y = images(8), torch.arange(8)
    return [augment.draw(x, y, **given).lam for _ in range(steps)]


def _equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> list[bool]:
    return [torch.equal(a, b) for a, b in zip(first, second, strict=True)]


def test_a_rerun_repeats_and_steps_and_seeds_differ():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = _draws(_augment())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(_equal(first, _draws(_augment())))
    assert not any(_equal(first, _draws(_augment(seed=1))))
    assert not any(_equal(first[1:], first[:-1]))


def test_a_step_given_is_the_step_counted():
    augment, x, y = _augment(), images(8), torch.arange(8)
    counted = _draws(_augment())
    assert all(torch.equal(augment.draw(x, y, step=n).lam, counted[n]) for n in (3, 0, 5))
    assert torch.equal(augment.draw(x, y).lam, counted[0])


def test_evaluation_counts_no_step():
    augment = _augment()
    first = _draws(augment, 2)
    augment.eval()
    assert all(bool((lam == 1).all()) for lam in _draws(augment, 3))
    assert all(_equal(_draws(_augment()), first + _draws(augment.train(), 4)))


@pytest.mark.parametrize("options", [{}, {"seed": None, "generator": seeded(4)}], ids=["seed", "generator"])
def test_a_resumed_training_goes_on(options):
    augment, fresh = copy.deepcopy(_augment(0.3, unit="sample", **options)), _augment(0.3, unit="sample", **options)
    _draws(augment, 4)
    torch.save(state := augment.state_dict(), file := io.BytesIO())
    file.seek(0)
    rest = _draws(augment)
    for loaded in (state, torch.load(file, weights_only=True)):
        fresh.load_state_dict(loaded)
        assert all(_equal(rest, _draws(copy.deepcopy(fresh))))
        assert all(_equal(rest, _draws(pickle.loads(pickle.dumps(fresh)))))


def test_states_of_another_kind_are_refused():
    with pytest.raises(
        ValueError, match="expected the state of a module with a seed, got that of one with a generator"
    ):
        _augment().load_state_dict(_augment(seed=None, generator=seeded()).state_dict())


@pytest.mark.parametrize("unit", ["batch", "sample", "count"])
def test_arms_that_share_a_seed_stay_paired(unit):
    plain, dropped = _draws(_augment(), 30), _draws(_augment(0.5, unit=unit), 30)
    if unit == "batch":
        assert {torch.equal(a, b) for a, b in zip(plain, dropped)} == {True, False}
        assert all(torch.equal(a, b) or bool((b == 1).all()) for a, b in zip(plain, dropped))
    assert all(_equal(dropped, _draws(_augment(0.5, unit=unit), 30)))


def test_ranks_differ(monkeypatch):
    first = _draws(_augment())
    monkeypatch.setenv("RANK", "1")
    assert not any(_equal(first, _draws(_augment())))


class Collate:
    """Stacks samples and mixes them."""

    def __init__(self, augment: DropMix) -> None:
        self.augment = augment

    def __call__(self, samples: list[int]) -> torch.Tensor:
        x, y = images(8), torch.arange(8)
        return self.augment(x, y)[1]


def _loader(augment: DropMix, **options: Any) -> DataLoader:
    return DataLoader(range(32), batch_size=8, num_workers=2, collate_fn=Collate(augment), **options)  # pyright: ignore


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_and_epochs_differ_and_a_rerun_and_a_resume_repeat(context):
    epochs = 3 if context == "fork" else 2
    augment = _augment()
    loader = _loader(augment, multiprocessing_context=context)
    drawn = [list(loader)]
    state = copy.deepcopy(augment.state_dict())
    drawn += [list(loader) for _ in range(epochs - 1)]
    flat = [shares for epoch in drawn for shares in epoch]
    assert all(not torch.equal(a, b) for i, a in enumerate(flat) for b in flat[:i])
    resumed = _augment()
    resumed.load_state_dict(state)
    assert all(_equal(drawn[1], list(_loader(resumed, multiprocessing_context=context))))
    if context == "fork":
        assert all(_equal(drawn[0], list(_loader(_augment()))))


def test_persistent_workers_go_on_and_do_not_miss_a_change():
    augment = _augment()
    loader = _loader(augment, persistent_workers=True)
    first, second = list(loader), list(loader)
    assert not any(_equal(first, second))
    augment.train()  # as it was
    list(loader)
    changes = (lambda: setattr(augment, "rate", 0.5), lambda: setattr(augment, "mixup_enabled", False), augment.eval)
    for change in changes:
        stale = _loader(augment, persistent_workers=True)
        list(stale)
        change()
        with pytest.raises(RuntimeError, match="expected the settings that this DataLoader worker started with"):
            list(stale)
        list(_loader(augment))


def test_a_generator_in_a_worker_is_refused():
    with pytest.raises(RuntimeError, match="expected seed= in a DataLoader worker, got generator="):
        list(_loader(_augment(seed=None, generator=seeded())))
    assert len(list(_loader(_augment(seed=None)))) == 4


def test_threads_see_no_worker():
    drawn = []
    thread = threading.Thread(target=lambda: drawn.extend(_draws(_augment())))
    thread.start()
    thread.join()
    assert all(_equal(drawn, _draws(_augment())))


def test_misuse_is_named():
    with pytest.raises(ValueError, match="expected seed or generator, got both"):
        _augment(generator=seeded())
    with pytest.raises(ValueError, match="expected seed= for draws by step, got step=3 alone"):
        _draws(_augment(seed=None), step=3)


def test_streams_are_distinct():
    places = [(0, -1, 0), (1, -1, 0), (0, 0, 0), (0, -1, 1), (0, 0, 0, 5)]
    keys = [(seed, name, *place) for seed in (0, 1) for name in ("mix", "drop") for place in places]
    assert len({float(torch.rand(1, generator=stream(*key))) for key in keys}) == len(keys)
