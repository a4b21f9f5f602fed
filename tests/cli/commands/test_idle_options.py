"""Settings and options that would have no effect, or another than they read, are told or refused."""

import pytest
import yaml

from dropmix.cli.options import grid_of, remarks
from dropmix.grid.grid import Grid
from dropmix.recipes import RECIPES, get_recipe

STEPS = [name for name in RECIPES if get_recipe(name).base.train.schedule.milestones]


@pytest.mark.parametrize("recipe", STEPS)
@pytest.mark.parametrize("epochs", [1, 30, 500])
def test_a_step_schedule_keeps_its_shape_however_the_epochs_are_given(recipe, epochs):
    option = grid_of({"recipe": recipe, "epochs": epochs}, [], {})
    before = get_recipe(recipe).base.train
    scaled = tuple(round(m * epochs / before.epochs) for m in before.schedule.milestones)
    assert option.base.train.schedule.milestones == scaled
    assert grid_of({"recipe": recipe}, [f"train.epochs={epochs}"], {}) == option
    assert grid_of({"recipe": recipe}, [], {"set": {"train.epochs": epochs}}) == option
    assert grid_of({}, [], {"recipe": recipe, "epochs": epochs}) == option
    assert get_recipe(recipe).with_settings({"train.epochs": epochs}).base == option.base
    own = grid_of({"recipe": recipe}, [f"train.epochs={epochs}", "train.schedule.milestones=[0]"], {})
    assert own.base.train.schedule.milestones == (0,)


@pytest.mark.parametrize("epochs", [".inf", "-.inf", ".nan", "0.5"])
def test_epochs_that_are_no_count_are_refused_by_name(epochs):
    with pytest.raises(ValueError, match=r"train\.epochs"):
        grid_of({"recipe": STEPS[0]}, [f"train.epochs={epochs}"], {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["train.epochs=30", "train.schedule.milestones=[150, 225]"], r"milestones: expected one below .* 30 epochs"),
        (["train.schedule.milestones=[300]"], r"got 300, where the learning rate would never drop"),
        (["train.epochs=5", "train.schedule.warmup=5"], r"warmup: expected fewer epochs than the run's 5, got 5\."),
        (["train.schedule.kind=one-cycle", "train.schedule.warmup=400"], r"warmup: expected fewer epochs"),
    ],
)
def test_a_schedule_that_the_run_would_never_reach_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        grid_of({"recipe": "cifar100-wrn28-2"}, settings, {})
    base = get_recipe("cifar100-wrn28-2").base
    with pytest.raises(ValueError, match=message):
        get_recipe("cifar100-wrn28-2").with_settings(
            {p: yaml.safe_load(v) for p, _, v in (s.partition("=") for s in settings)}
        )
    train = base.train.model_copy(update={"epochs": 30})  # as Python may build it
    with pytest.raises(ValueError, match="expected one below the run's 30 epochs"):
        Grid(base=base.model_copy(update={"train": train}))


@pytest.mark.parametrize(
    ("recipe", "settings", "told"),
    [
        ("digits", ["train.schedule.milestones=[3]"], "milestones has no effect, since train.schedule.kind is cosine"),
        ("finetune", ["train.schedule.factor=0.5"], "factor has no effect, since train.schedule.kind is one-cycle"),
        ("finetune", ["train.schedule.kind=step"], "there are no train.schedule.milestones"),
        ("finetune", ["train.momentum=0.8"], "momentum has no effect, since train.optimizer is adamw"),
        ("finetune", ["train.nesterov=false"], "nesterov has no effect"),
        ("digits", ["train.micro_batch=500"], "micro_batch has no effect, since train.batch is 50"),
        ("digits", ["train.mix_within=shard"], "mix_within has no effect, since train.shards is 1"),
        (
            "cifar10-resnet18",
            ["train.epochs=50", "train.schedule.milestones=[30, 60]"],
            "50 epochs end before the milestones 60",
        ),
        ("digits", ["train.momentum=0.8", "train.micro_batch=10", "train.schedule.kind=constant"], None),
        ("finetune", ["train.schedule.kind=step", "train.schedule.milestones=[5]"], None),
        ("cifar10-resnet18", ["train.epochs=50"], None),
    ],
)
def test_settings_without_an_effect_are_told(recipe, settings, told):
    base = grid_of({"recipe": recipe}, settings, {}).base
    filed = dict(text.split("=", 1) for text in settings)
    for lines in (
        remarks({"recipe": recipe}, settings, {}, base),
        remarks({"recipe": recipe}, [], {"set": {path: yaml.safe_load(value) for path, value in filed.items()}}, base),
    ):
        assert [line.partition(":")[0] for line in lines] == ["warning"] * (told is not None)
        assert told is None or told in lines[0]


@pytest.mark.parametrize(
    ("options", "settings", "filed", "message"),
    [
        ({"epochs": 3}, ["train.epochs=4"], {}, "expected train.epochs once, got --epochs as well"),
        ({"validation": 0.1}, ["data.validation=0.2"], {}, "got --validation as well"),
        ({}, [], {"train_per_class": 4, "set": {"data.train_per_class": 5}}, "got train_per_class as well"),
        ({}, ["preset=released-code"], {}, "Use --preset"),
        ({}, [], {"set": {"seed": 3}}, "Use --seeds"),
        ({}, ["data.fingerprint=abc"], {}, "a run notes by itself"),
        ({}, [], {"set": {"weights_sha256": "abc"}}, "a run notes by itself"),
    ],
)
def test_one_setting_by_two_names_and_settings_that_are_none_are_refused(options, settings, filed, message):
    with pytest.raises(ValueError, match=message):
        grid_of({"recipe": "digits", **options}, settings, filed)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("run digits --max-seeds 5", "--until-decided"),
        ("run digits --looks obrien-fleming", "--until-decided"),
        ("run digits --protect 3", "--until-decided"),
        ("run digits --gpus-per-run 0.5", "--executor ray"),
        ("run digits --ray-address auto", "--executor ray"),
        ("run digits --data photos", "finetune or folder"),
        ("run digits --download", "expected one of fashion-mnist"),
        ("run folder --download --data photos", "expected one of fashion-mnist"),
        ("plan --protect fox", "AUDIT"),
        ("plan --power 90", "AUDIT"),
        ("plan audit.json --images 20", "no AUDIT"),
        ("select runs --workers 2", "--run"),
        ("tailor runs --arm mixup --device cpu", "--run"),
        ("label-info photos --arm cutmix", "--audit"),
        ("audit a.csv b.csv --figures", "--out"),
        ("audit runs --data photos", "--out"),
        ("report runs --no-images --data photos", "--no-images"),
    ],
)
def test_options_that_would_be_ignored_are_refused(dropmix, command, named):
    status, _, err = dropmix(*command.split())
    assert (status, err.count("\n")) == (2, 1)
    assert named in err


def test_a_batch_of_the_whole_training_set_is_told(dropmix):
    out = dropmix("run", "digits", "--dry-run", "--seeds", 1, "--train-per-class", 4)[1]
    assert "warning: a batch of 50 holds all 40 images to train on, so an epoch is one step." in out
    assert "holds all" not in dropmix("run", "digits", "--dry-run", "--seeds", 1, "--train-per-class", 6)[1]
