"""PuzzleMix: its energy by loops, its options, and what it does to images and labels."""

import numpy as np
import pytest
import torch
from scipy import stats

from dropmix import DropMix, apply_mix, input_gradient
from dropmix.msda.methods.puzzlemix import draw_blocks, puzzlemix
from dropmix.msda.puzzle.energy import label_prior, pool_shares, puzzle_energy
from dropmix.msda.puzzle.graphcut import energy

from ..conftest import images, saliency_of, seeded

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


def _jump(before: np.ndarray, after: np.ndarray, blocks: int, p, q, pool: int) -> float:
    """D(p, q): pooled pixels on both sides of the edge between two neighbouring blocks, written as loops."""
    side, total, places = before.shape[1] // blocks, 0.0, 0
    down = q[0] > p[0]

    def cell(image, row, column, channel):
        return image[channel, row * pool : (row + 1) * pool, column * pool : (column + 1) * pool].mean()

    k = side // pool
    for channel in range(3):
        for place in range(k):
            if down:
                a = cell(before, p[0] * k + k - 1, p[1] * k + place, channel)
                b = cell(after, q[0] * k, q[1] * k + place, channel)
            else:
                a = cell(before, p[0] * k + place, p[1] * k + k - 1, channel)
                b = cell(after, q[0] * k + place, q[1] * k, channel)
            total, places = total + abs(a - b), places + 1
    return total / places


def _naive_energy(x1, x2, s1, s2, z, lam, beta, gamma, eta, pool) -> float:
    """PuzzleMix's energy of one mask, straight from its formula: z is the share of image 1 in each block."""
    blocks, levels = z.shape[0], 2
    smooth, total = beta / (16 * blocks), 0.0
    edge = smooth * gamma
    lost_1, lost_0 = s2.copy(), s1.copy()
    for row in range(blocks):
        for column in range(blocks):
            for q in ((row + 1, column), (row, column + 1)):
                if max(q) == blocks:
                    continue
                p = (row, column)
                shown = {0: x2, 1: x1}
                d = {(a, c): _jump(shown[a], shown[c], blocks, p, q, pool) for a in (0, 1) for c in (0, 1)}
                lost_1[p] += edge / 2 * (d[1, 0] + d[1, 1])
                lost_0[p] += edge / 2 * (d[0, 1] + d[0, 0])
                lost_1[q] += edge / 2 * (d[0, 1] + d[1, 1])
                lost_0[q] += edge / 2 * (d[1, 0] + d[0, 0])
                weight = smooth + edge / 2 * (d[1, 0] + d[0, 1] - d[1, 1] - d[0, 0])
                total += weight * (z[p] - z[q]) ** 2
    for index in np.ndindex(blocks, blocks):
        j = round(z[index] * levels)
        likelihood = [1, 2, 1][j] * lam**j * (1 - lam) ** (levels - j)
        total += z[index] * lost_1[index] + (1 - z[index]) * lost_0[index]
        total -= eta / blocks**2 * np.log(likelihood + 1e-8)
    return float(total)


@pytest.mark.parametrize(("size", "blocks", "pool"), [(16, 2, 4), (16, 4, 4), (12, 2, 3), (16, 8, 2)])
def test_energy_equals_the_loops(size, blocks, pool):
    x, saliency = images(3, size, size), saliency_of(images(3, size, size, seed=5))
    partner, lam = torch.tensor([2, 0, 1]), torch.tensor([0.2, 0.5, 0.9])
    s = pool_shares(saliency, blocks)
    theta, down, right = puzzle_energy(x, s, partner, beta=1.2, gamma=0.5, neighbourhood=4, labels=3)
    theta = theta + label_prior(lam, 3, 0.2 / blocks**2)
    labels = torch.randint(0, 3, (3, blocks, blocks), generator=seeded())
    found = energy(labels, theta, down, right)
    for i, j in enumerate(partner.tolist()):
        arrays = (x[i], x[j], s[i], s[j], labels[i] / 2)
        arguments = [np.asarray(a, dtype=np.float64) for a in arrays]
        expected = _naive_energy(*arguments, float(lam[i]), 1.2, 0.5, 0.2, pool)
        assert found[i].item() == pytest.approx(expected, rel=1e-5)


def test_weights_stay_within_their_stated_range():
    x = (images(16, 32, 32) > 0.5).float()
    for blocks in (2, 8, 16):
        s = pool_shares(x.mean(1), blocks)
        _, down, right = puzzle_energy(x, s, torch.arange(16).flip(0), beta=1.2, gamma=0.5, neighbourhood=4, labels=3)
        smooth = 1.2 / (16 * blocks)
        for w in (down, right):
            assert w.min() >= smooth * 0.5 - 1e-7
            assert w.max() <= smooth * 1.5 + 1e-7


def test_shares_sum_to_one_even_of_nothing_tiny_or_huge():
    for scale in (0.0, 1e-38, 1.0, 1e38):
        share = pool_shares(scale * images(2, 16, 16)[:, 0], 4)
        torch.testing.assert_close(share.sum((1, 2)), torch.ones(2))
    assert torch.equal(pool_shares(torch.zeros(1, 8, 8), 2), torch.full((1, 2, 2), 0.25))


def test_the_mask_shows_each_image_where_it_is_salient():
    x = images(2, 32, 32)
    saliency = torch.zeros(2, 32, 32)
    saliency[0, :, :16], saliency[1, :, 16:] = 1.0, 1.0
    mix = puzzlemix(x, saliency, generator=seeded(1), block_counts=[4], transport=False, eta=0.0)
    assert mix.partner.tolist() == [1, 0]
    assert mix.own_cells is None
    assert (mix.mask[0, 0, :, :16] == 1).all()
    assert (mix.mask[0, 0, :, 16:] == 0).all()
    torch.testing.assert_close(mix.lam, torch.tensor([0.5, 0.5]))


def test_a_partner_equal_to_the_image_changes_nothing_without_transport():
    x = images(1, 32, 32).expand(4, -1, -1, -1).contiguous()
    saliency = saliency_of(images(1, 32, 32)).expand(4, -1, -1)
    for seed in range(5):
        mix = puzzlemix(x, saliency, generator=seeded(seed), transport=False)
        assert torch.equal(apply_mix(x, torch.eye(4), mix)[0], x)


def test_transport_brings_a_salient_cell_into_view():
    x, saliency = images(2, 32, 32), torch.zeros(2, 32, 32)
    saliency[0, :, :16] = saliency[1, :, 16:] = 1 / 32
    saliency[:, 8:12, 12:16] = torch.tensor([1.5, 1.0]).view(2, 1, 1)  # one cell that both images want
    mix = puzzlemix(x, saliency, generator=seeded(1), block_counts=[8], eta=0.0, beta=0.0)
    assert mix.partner.tolist() == [1, 0]
    assert (mix.mask[0, 0, :, :16] == 1).all()
    assert mix.partner_cells[0, 2, 4] == 2 * 8 + 3  # image 1's cell goes next door, where image 1 is shown
    mixed, _ = apply_mix(x, torch.eye(2), mix)
    assert torch.equal(mixed[0, :, 8:12, 16:20], x[1, :, 8:12, 12:16])


@pytest.mark.parametrize("labels", [2, 3, 4])
def test_levels_and_labels_agree(labels):
    mix = puzzlemix(images(8, 32, 32), saliency_of(images(8, 32, 32)), generator=seeded(), labels=labels)
    levels = (mix.mask * (labels - 1)).round() / (labels - 1)
    torch.testing.assert_close(mix.mask, levels)
    torch.testing.assert_close(mix.lam, mix.mask.mean((1, 2, 3)))


def test_the_prior_pulls_the_share_to_lam():
    x, saliency = images(64, 32, 32), torch.ones(64, 32, 32)
    strong = puzzlemix(x, saliency, generator=seeded(2), eta=50.0, labels=4, per="sample", beta=0.0)
    assert strong.lam.std() > 0.2
    assert len(strong.lam.unique()) == 4


def test_block_counts_are_drawn_uniformly_among_divisors():
    generator = seeded()
    seen = [draw_blocks((2, 4, 8, 16), 24, 24, generator) for _ in range(600)]
    assert set(seen) == {2, 4, 8}
    assert stats.chisquare([seen.count(n) for n in (2, 4, 8)]).pvalue > 0.01


@pytest.mark.parametrize(("size", "cell", "grids"), [(32, 4, {8, 16}), (224, 16, {14, 8, 16, 2, 4}), (64, 4, {16})])
def test_grids_of_transport_are_fine_and_at_most_sixteen(size, cell, grids):
    seen = set()
    for seed in range(12):
        x = images(2, size, size)
        mix = puzzlemix(x, torch.ones(2, size, size), generator=seeded(seed), transport_cell=cell)
        n = mix.own_cells.shape[-1]
        assert size % n == 0
        assert n <= 16
        seen.add(n)
        assert apply_mix(x, torch.eye(2), mix)[0].shape == x.shape
    assert seen <= grids


def test_normalised_images_give_the_same_record():
    x, saliency = images(6, 32, 32), saliency_of(images(6, 32, 32))
    normalised = (x - torch.tensor(MEAN).view(-1, 1, 1)) / torch.tensor(STD).view(-1, 1, 1)
    plain = puzzlemix(x, saliency, generator=seeded())
    given = puzzlemix(normalised, saliency, generator=seeded(), mean=MEAN, std=STD)
    assert torch.equal(plain.mask, given.mask)
    assert torch.equal(plain.own_cells, given.own_cells)


def test_it_works_inside_autocast_and_in_low_precision():
    x, saliency = images(4, 32, 32), saliency_of(images(4, 32, 32))
    plain = puzzlemix(x, saliency, generator=seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = puzzlemix(x, saliency, generator=seeded())
    assert torch.equal(plain.mask, inside.mask)
    assert puzzlemix(x.bfloat16(), saliency.bfloat16(), generator=seeded()).mask.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"saliency": torch.full((2, 32, 32), torch.nan)}, "expected finite saliency, got NaN or infinity"),
        ({"saliency": torch.full((2, 32, 32), torch.inf)}, "expected finite saliency"),
        ({"saliency": torch.zeros(2, 16, 32)}, r"expected saliency of shape \(B, H, W\) = \(2, 32, 32\), got"),
        ({"x": 3 * torch.ones(2, 3, 32, 32)}, r"expected images in \[0, 1\] after mean and std, got 3 to 3"),
        ({"x": torch.full((2, 3, 32, 32), torch.nan)}, r"expected images in \[0, 1\]"),
        ({"mean": (0.5,)}, "expected both mean and std or neither"),
        ({"mean": (0.5,), "std": (0.5,)}, "expected mean and std with 3 values"),
        ({"block_counts": [5, 7]}, "expected a block count that divides 32 x 32 pixels"),
        ({"labels": 1}, r"expected labels in \[2, inf\), got 1"),
        ({"gamma": 1.0}, r"expected gamma in \[0, 1\), got 1.0"),
        ({"xi": 0.0}, r"expected xi in \(0, inf\), got 0.0"),
        ({"beta": float("nan")}, "expected beta in"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {"x": images(2, 32, 32), "saliency": torch.ones(2, 32, 32)} | change
    with pytest.raises(ValueError, match=message):
        puzzlemix(**arguments)


@pytest.mark.parametrize("unit", ["batch", "sample", "count"])
def test_in_a_training_loop_the_saliency_pass_shrinks_with_the_rate(unit):
    model, passed = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 10)), []
    gradient = input_gradient(model)

    def saliency(x, y):
        passed.append(len(x))
        return gradient(x, y)

    augment = DropMix("puzzlemix", 0.5, num_classes=10, unit=unit, generator=seeded(3))
    for _ in range(12):
        mixed, shares = augment(images(10), torch.arange(10), saliency=saliency)
        assert mixed.isfinite().all()
        torch.testing.assert_close(shares.sum(1), torch.ones(10))
    assert 30 <= sum(passed) <= 90
    assert unit != "count" or passed == [5] * 12


def test_nothing_is_nan_for_flat_images_zero_gradients_and_one_sample():
    for x in (torch.zeros(1, 3, 32, 32), torch.ones(5, 3, 32, 32), images(3, 16, 32)):
        for saliency in (torch.zeros(len(x), *x.shape[2:]), saliency_of(x)):
            mixed, shares = apply_mix(x, torch.eye(len(x)), puzzlemix(x, saliency, generator=seeded()))
            assert mixed.isfinite().all()
            torch.testing.assert_close(shares.sum(1), torch.ones(len(x)))
