import pytest

from dropmix.grid.grid import Grid
from dropmix.recipes import RECIPES, get_recipe


def test_vanilla_comes_first_and_nothing_twice():
    grid = get_recipe("digits").model_copy(
        update={"methods": ("vanilla", "mixup", "mixup"), "rates": (0.0, 1.0, 0.0), "seeds": 2}
    )
    assert [arm.name for arm in grid.arms] == ["vanilla", "mixup", "mixup r=1"]
    assert [(run.seed, run.arm.name) for run in grid.runs][:4] == [
        (0, "vanilla"), (0, "mixup"), (0, "mixup r=1"), (1, "vanilla"),
    ]  # fmt: skip
    assert len({run.hash for run in grid.runs}) == 6
    assert len({run.group for run in grid.runs}) == 1


@pytest.mark.parametrize("preset", ["paper", "released-code"])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_a_grid(name, preset):
    grid = get_recipe(name, preset)
    assert isinstance(grid, Grid)
    assert grid.base.preset == preset
    assert len(grid.runs) == len(grid.arms) * grid.seeds


def test_table_1_protocol():
    train = get_recipe("cifar100-wrn28-2").base.train
    assert (train.epochs, train.lr, train.schedule.milestones, train.schedule.factor) == (300, 0.2, (100, 200), 0.1)
    assert (train.momentum, train.weight_decay, train.batch, train.nesterov) == (0.9, 5e-4, 100, True)
    assert train.loss == "cross-entropy"
    released = get_recipe("cifar100-wrn28-2", "released-code").base
    assert (released.train.loss, released.train.weight_decay) == ("bce-of-softmax", 1e-4)
    assert released.network == "wrn28-2-released"
