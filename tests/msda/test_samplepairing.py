"""SamplePairing and its schedule against their definitions."""

import pytest
import torch

from dropmix import DropMix
from dropmix.msda.samplepairing import pairing_is_on, samplepairing

from .conftest import images, seeded


def test_images_are_averaged_and_labels_kept():
    x, y = images(4), torch.arange(4)
    mixed, shares = DropMix("samplepairing", num_classes=4, generator=seeded(3))(x, y)
    partner = samplepairing(x, generator=seeded(3)).partner
    for i in range(4):
        torch.testing.assert_close(mixed[i], (x[i] + x[partner[i]]) / 2)
    assert torch.equal(shares, torch.eye(4))


def test_the_published_schedule():
    on = [epoch for epoch in range(1000) if pairing_is_on(epoch)]
    assert on[0] == 100
    assert on[-1] == 797
    assert len(on) == 700 * 8 // 10
    for epoch in range(100, 790):
        assert pairing_is_on(epoch) == pairing_is_on(epoch + 10)


def test_bad_phases_are_named():
    with pytest.raises(ValueError, match="expected on >= 1 and off >= 0, got 0 and 2"):
        pairing_is_on(3, on=0)
