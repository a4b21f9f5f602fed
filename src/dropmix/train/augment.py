"""Augmentation of single images before mixing, from texts such as "randaugment(2,9)".

Every image has its own seed, drawn from a named stream by its place in the epoch, so its augmentation depends neither
on the arm, nor on the batch, nor on where the run was resumed.
"""

import difflib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropmix.train.plan import stream

Policy = Callable[[Tensor], Tensor]


def _v2() -> Any:
    from torchvision.transforms import v2  # takes 150 MB and a second, in every process that trains

    return v2


# Name -> how many numbers it takes, and the function that makes the policy from them.
POLICIES: dict[str, tuple[tuple[int, int], Callable[..., Any]]] = {
    "randaugment": ((0, 2), lambda n=2, m=9: _v2().RandAugment(int(n), int(m))),
    "trivialaugment": ((0, 0), lambda: _v2().TrivialAugmentWide()),
    "autoaugment": ((0, 0), lambda: _v2().AutoAugment()),
    "augmix": ((0, 1), lambda severity=3: _v2().AugMix(int(severity))),
    "vertical_flip": ((0, 1), lambda p=0.5: _v2().RandomVerticalFlip(p)),
    "rotation": ((1, 1), lambda degrees: _v2().RandomRotation(degrees, _v2().InterpolationMode.BILINEAR)),
    "colour_jitter": ((1, 4), lambda *numbers: _v2().ColorJitter(*numbers)),
    "random_erasing": ((0, 1), lambda p=0.25: _v2().RandomErasing(p)),
}
AFTER = ("random_erasing",)
"""Policies for normalised images: erased pixels become the mean colour."""
OF_TIMM = ("rand-", "augmix-", "original", "v0", "3a")


class Augment:
    """The policies of a run, in order. Those of timm, and most of torchvision's, take uint8 pixels.

    Args:
        texts: e.g. ("randaugment(2,9)", "random_erasing(0.25)"), or a string of timm such as "rand-m9-mstd0.5-inc1".
    Raises:
        ValueError: an unknown policy, or numbers that do not fit it.
    Example:
        >>> x = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
        >>> Augment(("vertical_flip(1)",)).pixels(x, [1, 2]).shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(self, texts: Sequence[str]) -> None:
        made = [_policy(text) for text in texts]
        self.on_pixels = [policy for policy, after in made if not after]
        self.on_normalised = [policy for policy, after in made if after]

    def pixels(self, images: Tensor, seeds: Sequence[int]) -> Tensor:
        """Augment images, uint8 (B, C, H, W), each by the draws of its seed."""
        return _each(self.on_pixels, images, seeds)

    def normalised(self, x: Tensor, seeds: Sequence[int]) -> Tensor:
        """Augment normalised images, float (B, C, H, W)."""
        return _each(self.on_normalised, x, [seed + 1 for seed in seeds])


def image_seeds(seed: int, epoch: int, size: int) -> list[int]:
    """A seed for each place of an epoch's order of `size` images."""
    return torch.randint(2**62, (size,), generator=stream(seed, "policy", epoch)).tolist()


def _each(policies: list[Policy], images: Tensor, seeds: Sequence[int]) -> Tensor:
    if not policies:
        return images
    changed = torch.empty_like(images)
    with _own_draws() as seed_all:
        for place, seed in enumerate(seeds):
            seed_all(seed)
            image = images[place]
            for policy in policies:
                image = policy(image)
            changed[place] = image
    return changed


@contextmanager
def _own_draws() -> Iterator[Callable[[int], None]]:
    """Let policies draw from the global generators of torch, Python and NumPy, and restore these afterwards."""
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002  timm draws from it

    def seed_all(seed: int) -> None:
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002

    try:
        yield seed_all
    finally:
        torch.set_rng_state(before[0])
        random.setstate(before[1])
        np.random.set_state(before[2])  # noqa: NPY002


def _policy(text: str) -> tuple[Policy, bool]:
    if text.startswith(OF_TIMM):
        return _of_timm(text), False
    match = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", text)
    name = match[1] if match else text
    if match is None or name not in POLICIES:
        near = difflib.get_close_matches(name, POLICIES, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "A string of timm begins with rand- or augmix-."
        raise ValueError(f"data.augment: expected one of {', '.join(POLICIES)}, got {text!r}. {hint}")
    (least, most), make = POLICIES[name]
    try:
        numbers = [float(part) for part in (match[2] or "").split(",") if part.strip()]
    except ValueError:
        raise ValueError(f"data.augment: expected numbers in {text!r}. Write e.g. randaugment(2,9).") from None
    if not least <= len(numbers) <= most:
        raise ValueError(
            f"data.augment: expected {least} to {most} numbers for {name}, got {len(numbers)} in {text!r}."
        )
    try:
        return make(*numbers), name in AFTER
    except (ValueError, TypeError) as error:
        raise ValueError(f"data.augment: expected numbers that {name} takes, got {text!r}: {error}.") from None


def _of_timm(text: str) -> Policy:
    try:
        from timm.data import auto_augment
    except ImportError:
        raise ValueError(
            f"data.augment: expected timm installed for {text!r}, got none. Run pip install timm."
        ) from None
    from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

    for section in text.split("-")[1:] if text.startswith(("rand-", "augmix-")) else []:
        if not re.fullmatch(r"(m|n|p|w|d|b|a|t|inc|mmax|mstd)(\d+(\.\d+)?|inf)", section):  # timm ignores unknown ones
            raise ValueError(f"data.augment: expected a string that timm takes, got {text!r}. Mend {section!r}.")
    try:
        makers = {"rand-": auto_augment.rand_augment_transform, "augmix-": auto_augment.augment_and_mix_transform}
        make = next((m for start, m in makers.items() if text.startswith(start)), auto_augment.auto_augment_transform)
        policy = make(text, {"translate_const": 10, "img_mean": (128, 128, 128)})
    except (AssertionError, ValueError, KeyError) as error:
        raise ValueError(f"data.augment: expected a string that timm takes, got {text!r} ({error}).") from None

    def change(image: Tensor) -> Tensor:
        channels = len(image)
        changed = pil_to_tensor(policy(to_pil_image(image.cpu()).convert("RGB")))
        return changed.to(image.device) if channels == 3 else changed[:1].to(image.device)

    return change
