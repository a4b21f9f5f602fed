"""Losses that want class ids, for mixed images: each image's loss is shared between its own class and its partner's."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from dropmix.msda.mix import Mix


def mixed_loss(mix: "Mix", criterion: Callable[[Tensor, Tensor], Tensor], logits: Tensor, y: Tensor) -> Tensor:
    """Return lam loss(logits, y) + (1 - lam) loss(logits, y[partner]). See `Mix.loss`."""
    if len(logits) != len(mix.lam) or len(y) != len(mix.lam):
        raise ValueError(
            f"Mix.loss: expected logits and labels of the mix's {len(mix.lam)} samples, got {len(logits)} and "
            f"{len(y)}. Give those of the batch that it was drawn for, labels as they were before mixing."
        )
    if mix.is_identity:
        return criterion(logits, y)
    partner = mix.partner.to(y.device, non_blocking=True)
    other = y[partner]
    lam = mix.lam.to(logits.device, non_blocking=True)
    if isinstance(criterion, nn.Module) and getattr(criterion, "reduction", None) in ("mean", "sum"):
        each = copy.copy(criterion)
        each.__dict__["reduction"] = "none"
        losses = lam * each(logits, y) + (1 - lam) * each(logits, other)
        if criterion.reduction == "sum":
            return losses.sum()
        return losses.sum() / (lam * _weights(criterion, y, lam) + (1 - lam) * _weights(criterion, other, lam)).sum()
    own, others = criterion(logits, y), criterion(logits, other)
    if own.ndim:
        return lam * own + (1 - lam) * others
    # Where the partner is the sample itself, any share gives the same loss.
    here = mix.lam[mix.partner != torch.arange(len(mix.lam), device=mix.partner.device)]
    if len(here) and bool((here != here[0]).any()):
        raise ValueError(
            "Mix.loss: expected one loss per sample where the share differs between samples, got their mean. "
            "Return losses (B,), e.g. with reduction='none', and take their mean."
        )
    return own if not len(here) else here[0].item() * own + (1 - here[0].item()) * others


def _weights(criterion: nn.Module, y: Tensor, lam: Tensor) -> Tensor:
    """What torch divides by: each sample's class weight, 0 for an ignored one. Other losses divide by their number."""
    if not isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss):
        return torch.ones_like(lam)
    counted = y != criterion.ignore_index
    weight = torch.ones_like(lam) if criterion.weight is None else criterion.weight[torch.where(counted, y, 0)]
    return weight * counted
