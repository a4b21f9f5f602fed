"""SamplePairing and its schedule against their definitions."""

import pytest
import torch

from dropmix import DropMix
from dropmix.msda.methods.samplepairing import pairing_is_on, samplepairing

from ..conftest import images, seeded


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
    with pytest.raises(ValueError, match="expected 0 <= start <= end <= 1, shares of the epochs, got 100 and 800"):
        samplepairing(images(2), start=100, end=800)


@pytest.mark.parametrize("unit", ["batch", "sample", "count"])
def test_nothing_is_paired_in_an_epoch_that_is_off(unit):
    x, y = images(10), torch.arange(10)
    augment = DropMix("samplepairing", 0.3, num_classes=10, unit=unit, start=0.25, end=0.75, on=1, off=1)
    paired = [
        any(not augment.draw(x, y, generator=seeded(seed), epoch=(epoch, 8)).is_identity for seed in range(5))
        for epoch in range(8)
    ]
    assert paired == [pairing_is_on(epoch, 8, start=0.25, end=0.75, on=1, off=1) for epoch in range(8)]
    assert paired == [False, False, True, False, True, False, False, False]
    assert augment(x, y, epoch=(0, 8))[0] is x
