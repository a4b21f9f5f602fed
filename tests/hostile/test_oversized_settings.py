"""Settings so large that no machine could follow them."""

import pytest


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--set", "data.size=1000000"), "data.size"),
        (("--set", "train.batch=100000000000"), "train.batch"),
        (("--first-seed", "9" * 30), "first_seed"),
        (("--set", "network=wrn100000000-1"), "depth"),
        (("--set", "network=wrn9999999999999999994-1"), "depth"),
        (("--set", "network=wrn10-100000000"), "width"),
        (("--set", "network=wrn28-1000"), "width"),
        (("--set", "data.crop_padding=1000000"), "data.crop_padding"),
        (("--set", "train.epochs=1e12"), "train.epochs"),
        (("--seeds", "1000000000"), "seeds"),
        (("--set", "seed=1"), "--seeds"),
        (("--set", "arm.name=x"), "--methods"),
        (("--set", "data.group=groups.csv"), "data.group"),
        (("--set", "train.lr=*a"), "train.lr"),
    ],
)
def test_a_setting_beyond_its_limit_is_refused(refused, words: tuple[str, ...], name: str) -> None:
    refused("run", "digits", *words, "--dry-run", names=name)


OPTIONS = (
    "[" * 5_000,
    "*a",
    "&a [*a]",
    "!!python/name:os.system",
    "9" * 5_000,
    "{a: 1}",
    "x",
    "true",
    "1e400",
    ".inf",
    "\x1b[2J",
)


@pytest.mark.parametrize("value", OPTIONS)
def test_an_option_of_a_method_is_a_plain_number(refused, value: str) -> None:
    refused("run", "digits", "--methods", f"mixup(alpha={value})", "--dry-run", names="alpha")


@pytest.mark.parametrize("methods", ["(" * 5_000, "mixup\u202e", "cutmix(form=\x1b[2J)", "mixup(" + "a=1," * 3_000])
def test_foreign_lists_of_methods_are_shown_short_and_escaped(refused, methods: str) -> None:
    assert len(refused("run", "digits", "--methods", methods, "--dry-run", names="methods")) < 500
