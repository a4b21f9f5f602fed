"""Networks by name, for label information."""

import pytest
from torchvision import models

from dropmix.studies.pretrained import from_name


def test_weights_that_cannot_be_fetched_are_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(models, "get_model", offline)
    wanted = (
        "--network torchvision:resnet50: expected to fetch its weights, got: Name or service not known. Connect, or"
    )
    with pytest.raises(ValueError, match=wanted):
        from_name("torchvision:resnet50")
