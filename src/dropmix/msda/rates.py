"""Which samples of a batch are mixed: one rate for all, or a rate per class."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Generator, Tensor

from dropmix.msda.draw import draw_partner, uniform

Unit = Literal["batch", "sample", "count"]
Rate = float | Sequence[float] | Mapping[int, float] | Tensor
ALL = slice(None)


def check_rate(rate: Rate, unit: Unit, num_classes: int | None) -> float | Tensor:
    """Return one rate as a float, or a rate per class as a float64 tensor (K,). Equal rates are one rate.

    Args:
        rate: in [0, 1]; one number, one per class, or a mapping from class ids, where missing classes have rate 0.
        unit: see `DropMix`.
        num_classes: K; needed for a mapping.
    Raises:
        ValueError: a rate outside [0, 1], a class outside [0, K), not K rates, or rates per class with unit "batch".
    Example:
        >>> check_rate({1: 0.5}, "sample", 3)
        tensor([0.0000, 0.5000, 0.0000], dtype=torch.float64)
        >>> check_rate([0.5, 0.5], "sample", 2)
        0.5
    """
    if isinstance(rate, Mapping):
        rate = _from_mapping(rate, num_classes)
    try:
        rates = torch.as_tensor(rate, dtype=torch.float64, device="cpu").detach()
    except (TypeError, ValueError, NotImplementedError):
        raise ValueError(f"DropMix: expected numbers as rates, got {rate!r}. Give e.g. [0.2, 0.4].") from None
    if str(getattr(rate, "dtype", "")).endswith("float32"):
        rates = rates.round(decimals=7)  # else 0.1 of 25 samples would be three, and two where 0.1 is given as a number
    if rates.ndim > 1 or (rates.ndim == 1 and len(rates) != (num_classes or len(rates))) or not rates.numel():
        raise ValueError(
            f"DropMix: expected one rate or one per class, ({num_classes or 'K'},), got shape {tuple(rates.shape)}. "
            "Give as many rates as there are classes."
        )
    if not bool(((rates >= 0) & (rates <= 1)).all()):
        wrong = rates[~((rates >= 0) & (rates <= 1))][0].item() if rates.ndim else rate
        raise ValueError(f"DropMix: expected rate in [0, 1], got {wrong}. It is the share that stays unmixed.")
    if rates.ndim == 0 or bool((rates == rates[0]).all()):
        return float(rates.flatten()[0])
    if unit == "batch":
        raise ValueError(
            "DropMix: expected unit 'sample' or 'count' with a rate per class, got 'batch'. A batch holds many classes."
        )
    return rates


def _from_mapping(rate: Mapping[int, float], num_classes: int | None) -> list[float]:
    if num_classes is None:
        raise ValueError("DropMix: expected num_classes with a mapping of rates, got None. Give the number of classes.")
    rates = [0.0] * num_classes
    for key, value in rate.items():
        if not (isinstance(key, int | np.integer) and 0 <= key < num_classes):
            raise ValueError(f"DropMix: expected class ids in [0, {num_classes}) as rate's keys, got {key!r}. Relabel.")
        rates[int(key)] = value
    return rates


def mixed_rows(
    batch_size: int, rate: float | Tensor, unit: Unit, generator: Generator | None, y: Tensor | None = None
) -> Tensor | slice | None:
    """Draw the samples to mix: their positions, int64, `ALL`, or None for fewer than two.

    Rates 0 and 1 draw nothing, so under one generator state they equal the plain method and vanilla.

    Args:
        batch_size: B.
        rate: one rate, or one per class, (K,).
        unit: see `DropMix`.
        generator: source of randomness, on the CPU.
        y: class ids (B,) or label shares (B, K), for a rate per class. Shares count as their largest class.
    """
    if not isinstance(rate, Tensor):
        if rate in (0, 1):
            return None if rate else ALL
        if unit == "batch":
            return ALL if uniform(1, generator=generator)[0] >= rate else None
        if unit == "sample":
            rows = torch.from_numpy((uniform(batch_size, generator=generator) >= rate).nonzero()[0])
        else:
            rows = draw_partner(batch_size, generator)[round(batch_size * rate) :].sort().values
    else:
        rates = rate.numpy()[classes_of(y, len(rate))]
        kept = _kept_by_count(rates, generator) if unit == "count" else uniform(batch_size, generator=generator) < rates
        rows = torch.from_numpy((~kept).nonzero()[0])
    if len(rows) < 2:
        return None
    return ALL if len(rows) == batch_size else rows


def _kept_by_count(rates: np.ndarray, generator: Generator | None) -> np.ndarray:
    """Systematic sampling in random order: each sample stays unmixed with its own probability, and their number is the
    sum of the rates, rounded up or down."""
    order = draw_partner(len(rates), generator).numpy()
    start = uniform(1, generator=generator)[0]
    # Whole-number steps at rates 0 and 1: sums of fractions would round them away.
    ends = np.floor(np.cumsum(rates[order]) + start)
    passed = np.diff(ends, prepend=np.floor(start)) > 0
    kept = np.empty(len(rates), dtype=bool)
    kept[order] = passed
    return np.where(rates == 0, False, np.where(rates == 1, True, kept))


def classes_of(y: Any, num_classes: int) -> np.ndarray:
    """Class ids of labels, (B,), on the host: the ids themselves, or each row's largest share.

    Raises:
        ValueError: ids outside [0, K), shares of another number of classes or of several alike, or other targets.
    """
    if not isinstance(y, Tensor) or y.ndim not in (1, 2) or (y.ndim == 2 and not y.is_floating_point()):
        raise ValueError(
            "DropMix: expected class ids (B,) or shares (B, K) with rates per class or a policy for partners, got "
            "other targets. Draw the mix for class labels, then use mix.targets for masks or boxes."
        )
    if y.ndim == 2 and y.shape[1] != num_classes:
        raise ValueError(
            f"DropMix: expected label shares of {num_classes} classes, one per rate or policy, got "
            f"{y.shape[1]}. Give one rate per class."
        )
    if y.ndim == 2 and num_classes > 1 and bool(((y == y.amax(1, keepdim=True)).sum(1) > 1).any()):
        raise ValueError(
            "DropMix: expected one class per sample with rates per class or a policy for partners, got several "
            "with equal shares, or none. Use one rate and partners='any' for samples of several classes."
        )
    ids = (y.argmax(1) if y.ndim == 2 else y).cpu().long().numpy()
    if len(ids) and not 0 <= ids.min() <= ids.max() < num_classes:
        raise ValueError(
            f"labels: expected class ids in [0, {num_classes}), got {ids.min()} to {ids.max()}. "
            "Raise num_classes or relabel."
        )
    return ids
