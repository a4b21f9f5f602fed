"""The words of `dropmix explain` follow one table, and no sentence denies another."""

import re
from itertools import product

import numpy as np
import pytest

from dropmix.studies.explain import Explained, Predictor, explain
from dropmix.studies.explain_words import ADVICE, explains, findings, in_words

NAMES = tuple(f"class {c}" for c in range(60))


def outcome(found: int, model: float | None, reliability: float, shuffled: float = 0.02) -> Explained:
    predictors = [
        Predictor(
            f"p{i}", np.arange(60.0), 0.4 - 0.1 * i, 0.1, 0.6, 0.5, 0.2, 0.8, None, 0.001, 0.01 if i < found else 0.4
        )
        for i in range(3)
    ]
    return Explained(np.zeros(60), reliability, predictors, model, None if model is None else shuffled, NAMES)


def consistent(text: str, explained: Explained) -> None:
    """Whatever the numbers are, advice and evidence agree."""
    known = findings(explained)
    share = [int(number) for number in re.findall(r"explain (?:only )?(-?\d+) %", text)]
    advice = [word for word in ("Check these first", "audit", "Train more seeds") if word in text]
    assert len(advice) == 1, text
    assert ("none of" in text) == (not known), text
    assert all(one.name in text for one in known), text
    if "Check these first" in text:
        assert known, text
        assert share, text
        assert min(share) >= 10, text
        assert explained.model > explained.shuffled, text
    if share:
        assert 1 <= share[0] <= 100, text
        assert explained.model > explained.shuffled, text
        assert "no more" not in text, text
    assert ("only" in text) <= (share[0] < 10 if share else False), text
    assert ("Train more seeds" in text) == ("mostly seed noise" in text), text
    assert not ("repeat over seeds" in text and "mostly seed noise" in text), text
    if "repeat over seeds" in text:
        assert explained.reliability >= 0.3, text


MODELS = (None, -0.2, 0.0, 0.004, 0.015, 0.05, 0.0996, 0.1, 0.5, 1.3)


@pytest.mark.parametrize("found", [0, 1, 3])
@pytest.mark.parametrize("model", MODELS)
def test_no_sentence_denies_another(found: int, model: float | None) -> None:
    for reliability, shuffled in product((0.0, 0.12, 0.25, 0.3, 0.8), (-0.1, 0.0, 0.02, 0.3)):
        if model is not None or reliability < 0.2:
            one = outcome(found, model, reliability, shuffled)
            consistent(in_words("mixup", one), one)


def test_every_row_of_the_table_is_reached() -> None:
    reached = {(found > 0, explains(outcome(found, m, r))) for found, m, r in product((0, 2), MODELS, (0.12, 0.8))}
    assert reached == set(ADVICE)


def test_a_found_predictor_that_explains_nothing_names_no_classes() -> None:
    for model in (0.0, 0.04):
        text = in_words("mixup", outcome(1, model, 0.8))
        assert "lower p0 lose more" in text
        assert "Check these first" not in text
        assert "class 0" not in text
    assert "Check these first: class 0, class 1," in in_words("mixup", outcome(1, 0.4, 0.8))


@pytest.mark.parametrize(
    ("rho", "predictors", "reliability", "row"),
    [
        (0.0, 4, 0.8, (False, "little")),
        (0.3, 1, 0.9, (True, "little")),
        (0.8, 1, 0.8, (True, "much")),
        (0.8, 5, 0.8, (True, "much")),
        (0.65, 12, 0.9, (False, "much")),
        (0.0, 2, 0.05, (False, "noise")),
    ],
)
def test_words_over_simulated_studies(rho: float, predictors: int, reliability: float, row: tuple[bool, str]) -> None:
    """Nothing, one or many predict: the usual outcome is the one that was planted, and every outcome is consistent."""
    seen = []
    for k in range(12):
        rng = np.random.default_rng([k, predictors])
        causes = rng.normal(size=(predictors, 60))
        true = rho * causes.sum(0) / np.sqrt(predictors) + np.sqrt(1 - rho**2) * rng.normal(size=60)
        noise = np.sqrt(4 * (1 / reliability - 1) / 2)
        recall0, recall1 = (shift + noise * rng.normal(size=(4, 60)) for shift in (0.0, true))
        given = {f"p{i}": values for i, values in enumerate(causes)}
        found = explain(recall0, recall1, {}, given, splits=4, bootstraps=100, shuffles=20, seed=k)
        consistent(in_words("mixup", found), found)
        seen.append((bool(findings(found)), explains(found)))
    assert max(set(seen), key=seen.count) == row, seen
