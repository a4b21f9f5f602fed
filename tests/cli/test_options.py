import numpy as np
import pytest
import yaml
from PIL import Image
from pydantic import ValidationError

from dropmix.cli.config_file import read_config
from dropmix.cli.options import grid_of, parse_duration, parse_executor_step
from dropmix.recipes import RECIPES


def test_options_and_settings_reach_the_spec():
    grid = grid_of(
        {"recipe": "cifar100-wrn28-2", "methods": "mixup,cutmix(alpha=0.2)", "rates": "0,0.4", "epochs": 30,
         "train_per_class": 30, "seeds": 3, "first_seed": 7, "unit": "sample"},
        ["network=wrn10-2", "train.schedule.kind=cosine", "data.crop_padding=4"],
        {},
    )  # fmt: skip
    base = grid.base
    assert base.network == "wrn10-2"
    assert (base.train.epochs, base.train.schedule.milestones, base.train.schedule.kind) == (30, (10, 20), "cosine")
    assert (base.data.train_per_class, base.data.crop_padding) == (30, 4)
    assert [arm.name for arm in grid.arms] == [
        "vanilla", "mixup", "mixup r=0.4 unit=sample", "cutmix alpha=0.2", "cutmix alpha=0.2 r=0.4 unit=sample",
    ]  # fmt: skip
    assert {run.seed for run in grid.runs} == {7, 8, 9}


def test_a_file_gives_the_same_grid_and_options_win(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text("recipe: digits\nmethods: [mixup]\nrates: [0, 0.5]\nseeds: 4\nset: {train.lr: 0.2}\n")
    config = read_config(path)
    grid = grid_of({}, [], config)
    assert (grid.methods, grid.rates, grid.seeds, grid.base.train.lr) == (("mixup",), (0.0, 0.5), 4, 0.2)
    assert grid_of({"seeds": 1}, ["train.lr=0.3"], config).base.train.lr == 0.3
    assert grid_of({"seeds": 1}, [], config).seeds == 1


@pytest.mark.parametrize("text", ["- a", "recipe: [", "just words"])
def test_an_unreadable_file_is_refused(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"grid\.yaml: expected"):
        read_config(path)


def test_a_typo_in_a_file_is_named(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text("recipe: digits\nmethod: mixup\n")
    with pytest.raises(ValueError, match=r"grid\.yaml: method: no such setting"):
        read_config(path)


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        ({"recipe": "digitz"}, [], "recipe: expected one of .* Did you mean 'digits'"),
        ({"recipe": "digits", "preset": "papers"}, [], "preset: expected"),
        ({"recipe": "digits", "methods": "mixu"}, [], "method: expected one of .* Did you mean 'mixup'"),
        ({"recipe": "digits", "rates": "0,x"}, [], "rates: expected numbers"),
        ({"recipe": "digits", "rates": "1.5"}, [], r"expected rates in \[0, 1\], got 1.5"),
        ({"recipe": "digits"}, ["network=wrn11-2"], "network: expected depth"),
        ({"recipe": "digits"}, ["train.lr"], "set: expected path=value"),
        ({"recipe": "digits"}, ["network.depth=3"], "set: expected a path of the spec"),
        ({"recipe": "digits", "methods": "mixup(alpha=-1)"}, [], "alpha: expected a finite number > 0"),
        ({}, [], "run: expected a recipe"),
    ],
)
def test_bad_options_are_one_clear_line(options, settings, message):
    with pytest.raises(ValueError, match=message):
        grid_of(options, settings, {})


@pytest.mark.parametrize("setting", ["train.epoch=3", "train.lr=fast", "nonsense=1", "train.schedule.kind=linear"])
def test_a_bad_setting_is_named_by_its_path(setting):
    with pytest.raises(ValidationError) as error:
        grid_of({"recipe": "digits"}, [setting], {})
    assert ".".join(map(str, error.value.errors()[0]["loc"])) == setting.split("=")[0]


def test_a_batch_of_one_image_mixes_nothing():
    with pytest.raises(ValueError, match=r"train\.batch: expected 2 or more to mix by cutmix, got 1\. Raise it"):
        grid_of({"recipe": "digits", "methods": "cutmix"}, ["train.batch=1"], {})
    alone = grid_of({"recipe": "digits", "methods": "recursivemix"}, ["train.batch=1"], {})
    assert {arm.method for arm in alone.arms} == {"vanilla", "recursivemix"}


@pytest.mark.parametrize("text", ["", "x", "9x", "1h 30", "-3s"])
def test_bad_durations_are_refused(text):
    with pytest.raises(ValueError, match="duration: expected"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "fast", "packed", "packed:0", "packed:x", "graph:2"])
def test_an_unknown_executor_of_steps_is_refused(text):
    with pytest.raises(ValueError, match=r"--executor-step: expected auto, eager, graph or packed:K"):
        parse_executor_step(text)


def test_packs_are_not_for_ray():
    with pytest.raises(ValueError, match=r"expected --executor local, got ray\. With Ray"):
        parse_executor_step("packed:2", "ray")
    assert parse_executor_step("eager", "ray") == {"graph": False, "pack": 1}


@pytest.mark.parametrize(
    ("cores", "runs", "expected"), [(8, 1, (1, 8)), (8, 3, (3, 2)), (8, 30, (8, 1)), (1, 2, (1, 1))]
)
def test_cores_are_shared_among_runs(monkeypatch, cores, runs, expected):
    import torch

    from dropmix.cli.training import layout

    monkeypatch.setattr("dropmix.train.device.cores", lambda: cores)
    assert layout(torch.device("cpu"), runs) == expected


@pytest.mark.parametrize("recipe", ["folder", "cifar100-wrn28-2", "imagenet-resnet50"])
def test_a_recipes_settings_give_way_to_those_that_exclude_them(recipe):
    """Crops of random size and shifts of a few pixels exclude each other, whichever the recipe has."""
    data = grid_of({"recipe": recipe}, ["data.resized_crop=true", "data.size=64"], {}).base.data
    assert (data.resized_crop, data.crop_padding) == (True, 0)
    data = grid_of({"recipe": recipe}, ["data.crop_padding=2"], {}).base.data
    assert (data.resized_crop, data.crop_padding, data.colour_jitter) == (False, 2, False)
    data = grid_of({"recipe": recipe}, [], {"set": {"data.resized_crop": False}}).base.data
    assert (data.resized_crop, data.colour_jitter) == (False, False)
    data = grid_of({"recipe": recipe, "folds": 3}, [], {}).base.data
    assert (data.folds, data.validation, data.train_per_class) == (3, 0.0, None)


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"recipe": "folder"}, ["data.resized_crop=true", "data.size=64", "data.crop_padding=4"]),
        ({"recipe": "folder", "folds": 3, "validation": 0.1}, []),
    ],
)
def test_two_settings_of_the_user_that_exclude_each_other_are_refused(options, settings):
    with pytest.raises(ValidationError, match=r"take the place of|takes the place of"):
        grid_of(options, settings, {})


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("train.momentum=0", {"train.nesterov": False}),
        ("data.size=null", {"data.resized_crop": False, "data.colour_jitter": False}),
        ("data.folds=3", {"data.resized_crop": False, "data.colour_jitter": False, "data.validation": 0}),
        ("data.validation=0.1", {"data.folds": None}),
        ("data.crop_padding=3", {"data.resized_crop": False, "data.colour_jitter": False}),
        ("data.resized_crop=false", {"data.colour_jitter": False}),
        ("train.optimizer=adamw", {}),
        ("train.schedule.kind=cosine", {}),
        ("train.micro_batch=4", {}),
        ("train.balance=weights", {}),
        ("train.ema=0.9", {}),
        ("data.train_per_class=4", {}),
    ],
)
def test_one_setting_of_the_user_is_taken_by_every_recipe(recipe, asked, expected):
    base = grid_of({"recipe": recipe}, [asked], {}).base
    path, _, value = asked.partition("=")
    for name, wanted in {path: yaml.safe_load(value), **expected}.items():
        group, _, field = name.partition(".")
        made = getattr(base, group)
        for part in field.split("."):
            made = getattr(made, part)
        assert made == wanted, name


@pytest.mark.parametrize("typed", [{"validation": 0.1}, {"train_per_class": 4}])
@pytest.mark.parametrize("filed", [{"folds": 3}, {"set": {"data.folds": 3}}])
def test_the_command_line_wins_over_settings_of_the_file_that_exclude_it(typed, filed):
    data = grid_of({"recipe": "digits", **typed}, [], filed).base.data
    assert data.folds is None
    assert {key: getattr(data, key) for key in typed} == typed
    data = grid_of({"recipe": "digits", "folds": 5}, [], {**typed, "set": {"data.split_seed": 2}}).base.data
    assert (data.folds, data.validation, data.train_per_class, data.split_seed) == (5, 0, None, 2)


def test_what_gives_way_is_told(dropmix, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for n in range(6):
            pixels = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{n}.png")
    run = ("run", "folder", "--data", tmp_path / "photos", "--dry-run", "--seeds", 1, "--epochs", 1)
    status, out, _ = dropmix(
        *run, "--set", "data.resized_crop=true", "--set", "data.size=16", "--set", "train.momentum=0"
    )
    assert status == 0
    assert "The recipe's own settings give way: data.crop_padding=0, train.nesterov=false." in out
    assert "give way" not in dropmix(*run, "--set", "data.size=16")[1]
