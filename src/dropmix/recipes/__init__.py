"""Recipes: functions that return a grid. `RECIPES` names them and imports no torch.

Read in this order: `digits` (the smallest), `folder` and `finetune` (your own images, from scratch and from trained
weights), `text`, then the paper's `cifar100`, `cifar10` and `imagenet`.
"""

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropmix.grid.grid import Grid

RECIPES: dict[str, str] = {
    "digits": "dropmix.recipes.digits:digits",
    "fashion-mnist": "dropmix.recipes.digits:fashion_mnist",
    "cifar100-wrn28-2": "dropmix.recipes.cifar100:wrn28_2",
    "cifar100-preactresnet18": "dropmix.recipes.cifar100:preactresnet18",
    "cifar100-preactresnet34": "dropmix.recipes.cifar100:preactresnet34",
    "cifar100-preactresnet50": "dropmix.recipes.cifar100:preactresnet50",
    "cifar100-resnet18": "dropmix.recipes.cifar100:resnet18",
    "cifar10-resnet18": "dropmix.recipes.cifar10:resnet18",
    "imagenet-resnet50": "dropmix.recipes.imagenet:resnet50",
    "finetune": "dropmix.recipes.finetune:finetune",
    "banking77": "dropmix.recipes.text:banking77",
    "clinc150": "dropmix.recipes.text:clinc150",
    "clinc150-imbalanced": "dropmix.recipes.text:clinc150_imbalanced",
    "text": "dropmix.recipes.text:text",
    "folder": "dropmix.recipes.folder:folder",
    "parquet": "dropmix.recipes.folder:parquet",
}


def get_recipe(name: str, preset: str = "paper") -> "Grid":
    """Return a recipe's grid.

    Args:
        name: a key of `RECIPES`.
        preset: "paper" or "released-code".
    Raises:
        ValueError: the name or the preset is unknown; lists the known ones and the nearest.
    Example:
        >>> get_recipe("digits").base.data.name
        'digits'
    """
    if name not in RECIPES:
        near = get_close_matches(name, RECIPES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"recipe: expected one of {', '.join(RECIPES)}, got {name!r}.{hint}")
    if preset not in ("paper", "released-code"):
        raise ValueError(f"preset: expected 'paper' or 'released-code', got {preset!r}.")
    module, function = RECIPES[name].split(":")
    return getattr(import_module(module), function)(preset)
