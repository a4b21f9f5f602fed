import pytest
import torch

from dropmix.train.plan import BLOCK, EpochPlan, batch_slices, place_draws, shard_slices, stream


def test_streams_repeat_and_differ_by_every_part_of_their_place():
    places = [
        (0, "mix", 0, 0),
        (1, "mix", 0, 0),
        (0, "drop", 0, 0),
        (0, "mix", 1, 0),
        (0, "mix", 0, 1),
        (0, "mix", 10, 1),
    ]
    draws = [torch.rand(8, generator=stream(*place)) for place in places]
    for place, draw in zip(places, draws):
        assert torch.equal(draw, torch.rand(8, generator=stream(*place)))
    assert len({tuple(draw.tolist()) for draw in draws}) == len(places)


def test_streams_leave_the_global_generator_alone():
    state = torch.random.get_rng_state()
    torch.rand(3, generator=stream(0, "order"))
    EpochPlan.draw(0, 0, 10, 2, True)
    assert torch.equal(state, torch.random.get_rng_state())


def test_an_epoch_is_a_permutation_with_crops_in_range_and_half_mirrored():
    plan = EpochPlan.draw(0, 3, 4000, 2, True)
    assert torch.equal(plan.index.sort().values, torch.arange(4000))
    for corner in (plan.top, plan.left):
        counts = torch.bincount(corner, minlength=5)
        assert len(counts) == 5
        # 5 sd of a binomial of 4000 draws at 1/5
        assert (counts - 800).abs().max() < 5 * (4000 * 0.2 * 0.8) ** 0.5
    assert abs(int(plan.flip.sum()) - 2000) < 5 * 1000**0.5


def test_without_flip_the_crops_and_the_order_are_the_same():
    with_flip, without = EpochPlan.draw(0, 0, 50, 2, True), EpochPlan.draw(0, 0, 50, 2, False)
    assert torch.equal(with_flip.index, without.index)
    assert torch.equal(with_flip.top, without.top)
    assert not without.flip.any()


def test_no_padding_means_no_shift():
    assert EpochPlan.draw(0, 0, 50, 0, True).top.abs().sum() == 0


@pytest.mark.parametrize(
    ("size", "batch", "lengths"),
    [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (9, 4, [4, 5]), (3, 4, [3]), (1, 4, [1]), (5, 4, [5])],
)
def test_batches_cover_everything_and_no_image_is_left_alone(size, batch, lengths):
    slices = batch_slices(size, batch)
    assert [s.stop - s.start for s in slices] == lengths
    assert torch.equal(torch.cat([torch.arange(size)[s] for s in slices]), torch.arange(size))


def test_the_draws_of_a_place_do_not_depend_on_the_slice():
    whole = place_draws(1, 2, slice(0, 3 * BLOCK), 5)
    assert whole.shape == (3 * BLOCK, 5)
    assert len(whole[:, 0].unique()) == 3 * BLOCK
    for place in (slice(0, 1), slice(7, 30), slice(BLOCK - 3, BLOCK + 3), slice(BLOCK, 2 * BLOCK), slice(5, 600)):
        assert torch.equal(place_draws(1, 2, place, 5), whole[place])
    assert not torch.equal(place_draws(1, 3, slice(0, 5), 5), whole[:5])
    assert not torch.equal(place_draws(2, 2, slice(0, 5), 5), whole[:5])


@pytest.mark.parametrize("shards", [1, 2, 3, 8])
def test_shards_are_cut_as_evenly_as_can_be(shards):
    for size in range(2 * shards, 60):
        whole = torch.arange(size)
        parts = [whole[place] for place in shard_slices(size, shards)]
        assert [part.tolist() for part in parts] == [part.tolist() for part in whole.tensor_split(shards)]


def test_no_shard_of_a_batch_has_a_single_image():
    for size in range(1, 40):
        for shards in (2, 3, 5):
            lengths = [place.stop - place.start for place in shard_slices(size, shards)]
            assert (sum(lengths), len(lengths)) == (size, shards)
            assert 1 not in lengths or size == 1
            if size >= 2 * shards:
                assert all(batch.stop - batch.start >= 2 * shards for batch in batch_slices(size, 2 * shards, shards))
