"""FMix against loops over frequencies and pixels."""

import numpy as np
import pytest
import torch

from dropmix.msda.draw import draw_lam, draw_partner
from dropmix.msda.methods.fmix import fmix

from ..conftest import images, seeded


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("shape", [(8, 8), (6, 10)])
def test_equals_the_sum_over_frequencies(per, shape):
    height, width = shape
    x, n = images(3, height, width), 1 if per == "batch" else 3
    generator = seeded(4)
    mix = fmix(x, generator=seeded(4), per=per)
    lam = draw_lam(3, 1.0, per, generator)
    draw_partner(3, generator)
    parts = torch.randn(n, height, width // 2 + 1, 2, generator=generator).double().numpy()
    for i in range(n):
        spectrum = np.zeros((height, width // 2 + 1), dtype=complex)
        for row in range(height):
            for column in range(width // 2 + 1):
                down = (row if row < (height + 1) // 2 else row - height) / height
                frequency = max(np.hypot(down, column / width), 1 / max(height, width))
                spectrum[row, column] = complex(*parts[i, row, column]) / frequency**3
        noise = np.fft.irfft2(spectrum, s=shape)
        count = round(float(lam[i]) * height * width)
        highest = sorted(np.ndindex(*shape), key=lambda p: -noise[p])[:count]
        expected = np.zeros(shape)
        for p in highest:
            expected[p] = 1
        assert np.array_equal(mix.mask[i, 0].numpy(), expected)
        assert mix.lam[i].item() == pytest.approx(count / (height * width))


def test_larger_decay_is_smoother():
    def edges(decay):
        mask = fmix(torch.zeros(64, 1, 32, 32), generator=seeded(), decay=decay, per="sample").mask
        return (mask[..., 1:] != mask[..., :-1]).float().mean().item()

    assert edges(5.0) < edges(3.0) < edges(1.0) < edges(0.0)


def test_bad_decay_is_named():
    with pytest.raises(ValueError, match=r"expected decay in \[0, inf\), got -1"):
        fmix(images(2), decay=-1)
