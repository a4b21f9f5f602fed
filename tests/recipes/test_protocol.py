"""The recipes' specs against the paper's protocol, written out here by hand."""

import pytest

from dropmix.msda import get_method
from dropmix.recipes import get_recipe

# Sec. 3.1 and App. A, and what docs/paper-protocol.md lists where the paper is silent.
CIFAR100 = {
    "epochs": 300,
    "batch": 100,
    "lr": 0.2,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-4,
    "schedule": {"kind": "step", "milestones": [100, 200], "factor": 0.1},
    "loss": "cross-entropy",
    "label_smoothing": 0.0,
    "precision": "fp32",
    "evaluate_every": 10,
    "evaluate_last": 10,
}
CIFAR10 = CIFAR100 | {
    "epochs": 200,
    "batch": 128,
    "lr": 0.1,
    "schedule": {"kind": "step", "milestones": [60, 120, 160], "factor": 0.2},
}
IMAGENET = CIFAR100 | {
    "batch": 256,
    "lr": 0.1,
    "weight_decay": 1e-4,
    "schedule": {"kind": "step", "milestones": [75, 150, 225], "factor": 0.1},
}
RELEASED = {"weight_decay": 1e-4, "loss": "bce-of-softmax"}
DATA = {"fingerprint": None, "train_per_class": None, "validation": 0.0, "split_seed": 0, "size": None, "flip": True}
SMALL = DATA | {"crop_padding": 2}
PHOTOS = DATA | {"name": "folder", "size": 224, "crop_padding": 0, "resized_crop": True, "colour_jitter": True}
PROTOCOL = {
    ("cifar100-wrn28-2", "paper"): ("wrn28-2", SMALL | {"name": "cifar100"}, CIFAR100),
    ("cifar100-preactresnet18", "paper"): ("preactresnet18", SMALL | {"name": "cifar100"}, CIFAR100),
    ("cifar100-preactresnet34", "paper"): ("preactresnet34", SMALL | {"name": "cifar100"}, CIFAR100),
    ("cifar100-preactresnet50", "paper"): ("preactresnet50", SMALL | {"name": "cifar100"}, CIFAR100),
    ("cifar100-resnet18", "paper"): ("resnet18", SMALL | {"name": "cifar100"}, CIFAR100),
    ("cifar10-resnet18", "paper"): ("resnet18", SMALL | {"name": "cifar10"}, CIFAR10),
    ("imagenet-resnet50", "paper"): (
        "resnet50",
        PHOTOS,
        IMAGENET,
    ),
    ("cifar100-wrn28-2", "released-code"): (
        "wrn28-2-released",
        SMALL | {"name": "cifar100"},
        CIFAR100 | RELEASED | {"lr_vanilla": 0.1},
    ),
    ("cifar100-preactresnet18", "released-code"): (
        "preactresnet18",
        SMALL | {"name": "cifar100"},
        CIFAR100 | RELEASED | {"lr_vanilla": 0.1},
    ),
    ("cifar10-resnet18", "released-code"): ("resnet18", SMALL | {"name": "cifar10"}, CIFAR10 | RELEASED),
    ("imagenet-resnet50", "released-code"): (
        "resnet50",
        PHOTOS,
        IMAGENET,
    ),
}


@pytest.mark.parametrize(("recipe", "preset"), PROTOCOL)
def test_a_recipe_is_the_protocol_line_by_line(recipe: str, preset: str) -> None:
    network, data, train = PROTOCOL[recipe, preset]
    grid = get_recipe(recipe, preset)
    spec = grid.base.model_dump(mode="json", exclude={"arm", "seed"})
    assert spec == {"format": 1, "network": network, "preset": preset, "data": data, "train": train}
    assert grid.seeds >= 5


def test_arms_have_the_papers_hyperparameters() -> None:
    import inspect

    expected = {
        "mixup": {"alpha": 1.0},
        "cutmix": {"alpha": 1.0},
        "puzzlemix": {"alpha": 1.0, "beta": 1.2, "gamma": 0.5, "eta": 0.2, "xi": 0.8},
    }
    for method, options in expected.items():
        defaults = {k: p.default for k, p in inspect.signature(get_method(method)).parameters.items()}
        assert {k: defaults[k] for k in options} == options


def test_normalisation_is_that_of_the_released_code() -> None:
    from dropmix.data.catalog import DATASETS

    for name in ("cifar100", "cifar10"):
        assert [round(255 * v, 4) for v in DATASETS[name].mean or ()] == [129.3, 124.1, 112.4]
        assert [round(255 * v, 4) for v in DATASETS[name].std or ()] == [68.2, 65.4, 70.4]
