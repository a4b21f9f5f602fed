"""The same predictions in any random legal layout give the same audit."""

import functools
import signal

import numpy as np
import pytest

from dropmix.audit import audit_predictions

from . import layouts

SECONDS = 20


@pytest.fixture(autouse=True)
def limit():
    """A case that hangs fails."""

    def stop(*_):
        raise TimeoutError(f"a legal layout took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@functools.cache
def expected(case: int):
    return audit(*layouts.plain_arms(layouts.draw(case)))


def audit(base, treated):
    return audit_predictions(base, {"mixup": treated}, group="patient", refits=0)


def alike(one, other) -> bool:
    if isinstance(one, float | np.floating) and isinstance(other, float | np.floating | int):
        return bool(np.isclose(one, other, rtol=1e-4, atol=1e-4, equal_nan=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


def kept(keys, with_probs: bool) -> list[str]:
    """Keys that do not take probabilities, or all."""
    return [key for key in keys if with_probs or "confidence" not in key]


@pytest.mark.parametrize("case", range(100))
def test_every_layout_gives_the_same_audit(tmp_path, case):
    drawn = layouts.draw(case)
    sources, probs = [], drawn.with_probs
    for arm in layouts.PROBS:
        make = drawn.pick(*layouts.LAYOUTS)
        drawn.vary(make)
        probs = probs and make is not layouts.wide
        folder = tmp_path / drawn.pick("x", "pre ds", "é", "a,b") / arm
        folder.mkdir(parents=True)
        sources.append(make(drawn, folder, arm))
    found, plain = audit(*sources), expected(case)
    wrong = [k for k in kept(plain.summary, probs) if not alike(plain.summary[k], found.summary.get(k))]
    assert not wrong, {key: (plain.summary[key], found.summary.get(key)) for key in wrong}
    mine, theirs = ([str(name) for name in one.classes["class"]] for one in (plain, found))
    assert sorted(mine) == sorted(theirs)
    at = [theirs.index(name) for name in mine]
    for key in kept(set(plain.classes) - {"class"}, probs):
        values = [found.classes[key][i] for i in at]
        assert all(map(alike, plain.classes[key], values)), (key, [*plain.classes[key]], values)
