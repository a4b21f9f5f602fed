"""Numbers and settings as people type them: what is wrong is told at once, and what is unlikely is remarked."""

import pytest

REFUSED = {
    ("run", "digits", "--workers", "0"): "--workers",
    ("run", "digits", "--workers=-2"): "--workers",
    ("run", "digits", "--methods", ""): "methods: expected methods",
    ("run", "digits", "--methods", "mixup(alpha=0.2,alpha=0.3)"): "'alpha' twice",
    ("run", "digits", "--set", "train.lr=1", "--set", "train.lr=2"): "train.lr twice",
    ("run", "digits", "--set", "data.size=[1"): "expected YAML, got a mistake in line",
    ("demo", "--workers", "0"): "--workers",
    ("audit", "a.csv", "b.csv", "--level", "0.95"): "--level: expected percent",
    ("plan", "--power", "0.8"): "--power: expected percent",
    ("plan", "--change", "nan"): "--change: expected points",
    ("plan", "--change", "-500"): "--change: expected points",
    ("plan", "--tolerance", "nan"): "tolerance in [0, 100)",
    ("plan", "--tolerance", "inf"): "tolerance in [0, 100)",
    ("floor", "--accuracy", "0.77"): "--accuracy: expected percent",
    ("floor", "--accuracy", "nan"): "--accuracy: expected percent",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_numbers_that_cannot_be_meant_are_refused(refused, pair, words: tuple[str, ...]) -> None:
    said = refused(*words, names=REFUSED[words])
    assert "unicode string" not in said


SEVERAL = {
    ("--set", "train.lrr=1", "--set", "train.epoch=2", "--set", "data.sice=3"): (
        "data.sice: no such setting (got 3). Did you mean 'data.size'?",
        "train.lrr: no such setting (got 1). Did you mean 'train.lr'?",
        "train.epoch: no such setting (got 2). Did you mean 'train.epochs'?",
    ),
    ("--set", "train.lr=x", "--set", "train.batch=y"): ("train.lr: expected", "train.batch: expected"),
    ("--set", "x", "--set", "=3", "--set", "seed=1"): ("got 'x'", "got '=3'", "--first-seed"),
    tuple(word for i in range(5) for word in ("--set", f"train.x{i}=1")): ("train.x0", "(and 2 more)"),
}


@pytest.mark.parametrize("words", SEVERAL)
def test_all_wrong_settings_are_told_at_once(refused, words: tuple[str, ...]) -> None:
    said = refused("run", "digits", "--dry-run", *words)
    assert not [part for part in SEVERAL[words] if part not in said], said


REMARKED = (
    ("audit", "a.csv", "b.csv", "--tolerance", "0.01"),
    ("audit", "a.csv", "b.csv", "--tolerance", "cat=0.01,dog=1"),
    ("audit", "a.csv", "b.csv", "--margin", "0.005"),
    ("plan", "--change=-0.05"),
    ("plan", "--tolerance", "0.01"),
    ("plan", "--disagreement", "0.08"),
)


@pytest.mark.parametrize("words", REMARKED, ids=" ".join)
def test_points_that_look_like_fractions_are_remarked(run, pair, words: tuple[str, ...]) -> None:
    ran = run(*words)
    option = next(word for word in words if word.startswith("--")).partition("=")[0]
    assert ran.status == 0, ran.err
    assert ran.err.startswith(f"note: {option} is in points or percent")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("words", [("--tolerance", "0.5"), ("--tolerance", "0"), ("--margin", "0.5")], ids=" ".join)
def test_usual_points_are_not_remarked(run, pair, words: tuple[str, ...]) -> None:
    assert run("audit", *pair, *words).err == ""
