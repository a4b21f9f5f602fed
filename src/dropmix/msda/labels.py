"""Labels: class ids or shares in, shares (B, K) out; and losses that want class ids."""

import copy
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from dropmix.msda.pixels import inside_boxes

if TYPE_CHECKING:
    from dropmix.msda.mix import Mix

IGNORED = "Leave out samples without a label, or draw the mix and use mix.loss, whose criterion may ignore ids."
_ID_TYPES = {torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8}


def mix_labels(y: Tensor, mix: "Mix", num_classes: int | None = None) -> Tensor:
    """Return label shares (B, K): lam of the own label and 1 - lam of the partner's. See `apply_mix`."""
    _check_known(mix)
    plain = mix.pasted_shares is None and mix.below is None
    if y.ndim == 1 and len(y) == len(mix.lam) and not mix.is_identity and plain:
        return _mix_ids(y, mix, num_classes)
    shares = label_shares(y, num_classes)
    if len(shares) != len(mix.lam):
        raise ValueError(
            f"apply_mix: expected labels of the mix's {len(mix.lam)} samples, got {len(shares)}. "
            "Draw the mix for the batch it is applied to."
        )
    if mix.is_identity:
        return shares
    lam = mix.lam.to(shares, non_blocking=True)
    if mix.pasted_shares is None:
        other = shares.index_select(0, mix.partner.to(shares.device, non_blocking=True))
    else:
        other = _pasted_shares(mix.pasted_shares, shares)
    if mix.below is not None:
        shares = mix_labels(shares, mix.below)
    if mix.partner_lam is not None:
        return other.mul_(mix.partner_lam.to(shares, non_blocking=True)[:, None]).addcmul_(shares, lam[:, None])
    return other.lerp_(shares, lam[:, None])


def _check_known(mix: "Mix") -> None:
    if mix.attended is not None:
        raise ValueError(
            "labels: expected a record whose label shares are known, got one that waits for the network's attention. "
            "Call draw, mix_images and the network, then mix.with_attention: see docs/methods/transmix.md."
        )


def attended_lam(mix: "Mix", attention: Tensor, sides: Sequence[int]) -> Tensor:
    """Return the own label's share under attention, (B,), float32. See `Mix.with_attention`."""
    if attention.ndim != 3 or len(attention) != len(mix.lam):
        raise ValueError(
            f"Mix.with_attention: expected attention (B, h, w) of the mix's {len(mix.lam)} samples, got "
            f"{tuple(attention.shape)}. Give one map per mixed image."
        )
    assert mix.box is not None
    assert mix.attended is not None
    attention = attention.detach().float()
    inside = inside_boxes(mix.box.to(attention.device, non_blocking=True), sides).float()
    patches = nn.functional.interpolate(inside, attention.shape[1:])[:, 0]
    area = 1 - mix.lam.to(attention.device, non_blocking=True)
    total = attention.sum((1, 2))
    share = torch.where(total > 0, (attention * patches).sum((1, 2)) / total, area)
    return (1 - ((1 - mix.attended) * area + mix.attended * share)).clamp(0, 1)


def _pasted_shares(pasted: Tensor, shares: Tensor) -> Tensor:
    if pasted.shape[1] != shares.shape[1]:
        raise ValueError(
            f"apply_mix: expected labels of the {pasted.shape[1]} classes that the batch before had, got "
            f"{shares.shape[1]}. Give all batches the same num_classes."
        )
    return pasted.to(shares, non_blocking=True, copy=True)


def _mix_ids(y: Tensor, mix: "Mix", num_classes: int | None) -> Tensor:
    """The same for class ids: one tensor of shares instead of two."""
    num_classes = check_ids(y, num_classes)
    theirs = 1 - mix.lam if mix.partner_lam is None else mix.partner_lam
    if y.is_cpu and mix.partner.is_cpu and mix.lam.is_cpu and theirs.is_cpu and not torch.compiler.is_compiling():
        # In numpy, whose calls on small arrays cost half of torch's.
        ids, lam = y.numpy(), mix.lam.numpy().astype(np.float32, copy=False)
        row, table = _rows(len(ids)), np.zeros((len(ids), num_classes), np.float32)
        table[row, ids] = lam
        table[row, ids[mix.partner.numpy()]] += theirs.numpy().astype(np.float32, copy=False)
        return torch.from_numpy(table)
    lam = mix.lam.to(y.device, torch.float32, non_blocking=True)[:, None]
    theirs = theirs.to(y.device, torch.float32, non_blocking=True)[:, None]
    y = y.long()
    other = y.index_select(0, mix.partner.to(y.device, non_blocking=True))
    shares = torch.zeros(len(y), num_classes, dtype=torch.float32, device=y.device)
    return shares.scatter_(1, y[:, None], lam).scatter_add_(1, other[:, None], theirs)


@lru_cache(maxsize=64)
def _rows(count: int) -> np.ndarray:
    return np.arange(count)  # only ever read


def label_shares(y: Tensor, num_classes: int | None = None) -> Tensor:
    """Return labels as shares (B, K) of float32 (float64 stays), from class ids (B,) or from shares.

    Example:
        >>> label_shares(torch.tensor([1]), 3)
        tensor([[0., 1., 0.]])
    """
    if y.ndim == 2 and y.is_floating_point():
        if num_classes is not None and y.shape[1] != num_classes:
            raise ValueError(
                f"labels: expected shares of num_classes = {num_classes} classes, got {y.shape[1]}. "
                "Give as many columns as there are classes."
            )
        known = y.is_cpu and num_classes is not None and not torch.compiler.is_compiling()
        if known and y.numel() and not float(y.min()) >= 0:  # also NaN
            raise ValueError(
                f"labels: expected label shares >= 0, got {float(y.min()):.4g}. Pass probabilities, e.g. of a softmax."
            )
        return y if y.dtype == torch.float64 else y.float()
    num_classes = check_ids(y, num_classes)
    shares = torch.zeros(len(y), num_classes, dtype=torch.float32, device=y.device)
    return shares.scatter_(1, y.long()[:, None], 1.0)


def check_ids(y: Tensor, num_classes: int | None) -> int:
    """Return num_classes, or raise a ValueError unless y holds class ids (B,) below it."""
    if y.ndim != 1 or y.dtype not in _ID_TYPES:
        raise ValueError(
            f"labels: expected class ids (B,) of int64 or shares (B, K) of float, got {tuple(y.shape)} of "
            f"{y.dtype}. Pass integer class ids or one row of shares per sample."
        )
    if num_classes is None:
        raise ValueError("labels: expected num_classes with class ids, got None. Say how many classes there are.")
    # Reading the ids of another device would wait for it, and reading any would break a traced graph.
    if y.is_cpu and len(y) > 0 and not torch.compiler.is_compiling():
        ids = y.numpy()
        low, high = np.minimum.reduce(ids), np.maximum.reduce(ids)
        if not 0 <= low <= high < num_classes:
            raise ValueError(
                f"labels: expected class ids in [0, {num_classes}), got {low} to {high}. "
                + (IGNORED if low < 0 else "Raise num_classes or relabel.")
            )
    return num_classes


def mixed_loss(mix: "Mix", criterion: Callable[[Tensor, Tensor], Tensor], logits: Tensor, y: Tensor) -> Tensor:
    """Return lam loss(logits, y) + (1 - lam) loss(logits, y[partner]), or partner_lam for 1 - lam. See `Mix.loss`."""
    if len(logits) != len(mix.lam) or len(y) != len(mix.lam):
        raise ValueError(
            f"Mix.loss: expected logits and labels of the mix's {len(mix.lam)} samples, got {len(logits)} and "
            f"{len(y)}. Give those of the batch that it was drawn for, labels as they were before mixing."
        )
    _check_one_label(mix, y)
    if mix.is_identity:
        return criterion(logits, y)
    _check_known(mix)
    if mix.pasted_shares is not None:
        raise ValueError(
            "Mix.loss: expected partners of this batch, got those of an earlier one, whose labels are shares. "
            "Use mix_labels and a loss of label shares, e.g. cross_entropy."
        )
    parts = [(share.to(logits.device, non_blocking=True), y[row.to(y.device)]) for share, row in _shares_of(mix)]
    if isinstance(criterion, nn.Module) and getattr(criterion, "reduction", None) in ("mean", "sum"):
        each = copy.copy(criterion)
        each.__dict__["reduction"] = "none"
        losses = [each(logits, ids) for _, ids in parts]
        if losses[0].ndim:  # else the module holds its reduction elsewhere
            total = _sum([_along(share, loss) * loss for (share, _), loss in zip(parts, losses)]).sum()
            if criterion.reduction == "sum":
                return total
            # A mass that is not 1 counts in the loss, not in its mean.
            mass = 1 if mix.partner_lam is None else _sum([share for share, _ in parts]).clamp_min(1e-12)
            weights = [_along(share / mass, loss) for (share, _), loss in zip(parts, losses)]
            counted = [_weights(criterion, ids, loss) for (_, ids), loss in zip(parts, losses)]
            return total / _sum([weight * count for weight, count in zip(weights, counted)]).sum()
    losses = [criterion(logits, ids) for _, ids in parts]
    if losses[0].ndim:
        return _sum([_along(share, loss) * loss for (share, _), loss in zip(parts, losses)])
    if mix.below is not None or mix.partner_lam is not None:
        what = "of several partners" if mix.below is not None else "whose label mass is not 1"
        raise ValueError(
            f"Mix.loss: expected one loss per sample under a method {what}, got their mean. "
            "Return losses (B,), e.g. with reduction='none', and take their mean."
        )
    own, others = losses
    # Where the partner is the sample itself, any share gives the same loss.
    here = mix.lam[mix.partner != torch.arange(len(mix.lam), device=mix.partner.device)]
    if len(here) and bool((here != here[0]).any()):
        raise ValueError(
            "Mix.loss: expected one loss per sample where the share differs between samples, got their mean. "
            "Return losses (B,), e.g. with reduction='none', and take their mean."
        )
    return own if not len(here) else here[0].item() * own + (1 - here[0].item()) * others


def _check_one_label(mix: "Mix", y: Tensor) -> None:
    """Labels per place belong to a record that cuts: a share of each loss would teach what the image does not show."""
    placed = mix.box is not None or (mix.mask is not None and mix.mask[0].numel() > 1)
    axes = y.ndim if y.is_floating_point() else y.ndim + 1  # shares per class, or ids
    if placed and y.ndim > 1 and axes == mix.axes:
        raise ValueError(
            f"Mix.loss: expected one label per image, got labels per pixel, {tuple(y.shape)}, which are cut as the "
            "images are. Use criterion(logits, mix.targets(y))."
        )


def contributions(mix: "Mix") -> list[tuple[Tensor, Tensor]]:
    """Return label shares (B,) and the rows (B,) that they come from: of the own image, then of each partner.

    Example:
        >>> from dropmix import Mix
        >>> [share.tolist() for share, _ in contributions(Mix(torch.tensor([1, 0]), torch.tensor([0.75, 1.0])))]
        [[0.75, 1.0], [0.25, 0.0]]
    """
    own = [(torch.ones_like(mix.lam), torch.arange(len(mix.lam), device=mix.partner.device))]
    lower = own if mix.below is None else contributions(mix.below)
    return [*((mix.lam * share, row) for share, row in lower), (1 - mix.lam, mix.partner)]


def _shares_of(mix: "Mix") -> list[tuple[Tensor, Tensor]]:
    """As `contributions`, with the partner's own share where that of the label is not 1 - lam."""
    if mix.partner_lam is None:
        return contributions(mix)
    return [(mix.lam, torch.arange(len(mix.lam), device=mix.partner.device)), (mix.partner_lam, mix.partner)]


def _sum(terms: Sequence[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _along(shares: Tensor, losses: Tensor) -> Tensor:
    """Shares (B,) beside losses (B, ...), such as those of each class or pixel."""
    if len(losses) != len(shares):
        raise ValueError(
            f"Mix.loss: expected losses of the mix's {len(shares)} samples, got shape {tuple(losses.shape)}. "
            "Return losses (B,) or (B, ...)."
        )
    return shares.view(-1, *[1] * (losses.ndim - 1))


def _weights(criterion: nn.Module, y: Tensor, losses: Tensor) -> Tensor:
    """The weights by whose sum torch divides: each label's class weight, 0 if ignored. Other losses, and those of
    label shares, count all alike."""
    if not isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss) or y.is_floating_point():
        return torch.ones_like(losses)
    counted = y != criterion.ignore_index
    weight = torch.ones_like(losses) if criterion.weight is None else criterion.weight[torch.where(counted, y, 0)]
    return weight * counted
