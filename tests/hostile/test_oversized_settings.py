"""Settings so large that no machine could follow them."""

import pytest


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--set", "data.size=1000000"), "data.size"),
        (("--set", "train.batch=100000000000"), "train.batch"),
        (("--first-seed", "9" * 30), "first_seed"),
    ],
)
def test_a_setting_beyond_its_limit_is_refused(refused, words: tuple[str, ...], name: str) -> None:
    refused("run", "digits", *words, "--dry-run", names=name)
