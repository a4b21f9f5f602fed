"""CutMix of texts: a span of tokens, at the same place in both. After Yun et al., arXiv 1905.04899."""

import numpy as np
import torch
from torch import Generator, Tensor

from dropmix.msda.draw import Per, draw_lam, draw_partner, uniform
from dropmix.msda.mix import Mix


def spancutmix(x: Tensor, *, generator: Generator | None = None, alpha: float = 1.0, per: Per = "batch") -> Mix:
    """Paste a random span of the partner's tokens (CutMix of texts).

        length = round((1 - lam) min(n, n_partner)), start uniform where both texts have tokens;
        label share = 1 - length / n, n the own text's tokens

    Padding is neither pasted nor counted: every token of the result comes from one of the two texts.

    Args:
        x: token ids, (B, 1, 1, L), 0 for padding at the end.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 1.0.
        per: one lam per "batch" or one per "sample". Every text has its own span.
    Returns:
        Mix with box (B, 4), and the realised share as lam.
    Raises:
        ValueError: x is not token ids (B, 1, 1, L).
    Source:
        Yun et al. 2019, Alg. A1, in one dimension. Differs: the span lies inside both texts instead of being clipped.
    Example:
        >>> spancutmix(torch.ones(4, 1, 1, 8, dtype=torch.int64)).box.shape
        torch.Size([4, 4])
    """
    own = text_lengths("spancutmix", x)
    lam = draw_lam(len(x), alpha, per, generator).numpy().astype(np.float64)
    partner = draw_partner(len(x), generator)
    common = np.minimum(own, own[partner.numpy()])
    length = np.rint((1 - lam) * common).astype(np.int64)
    start = np.floor(uniform(len(x), generator=generator) * (common - length + 1)).astype(np.int64)
    return Mix(partner=partner, lam=share_kept(own, length), box=spans(start, start + length))


def text_lengths(where: str, x: Tensor) -> np.ndarray:
    """Number of tokens of each text, int64 (B,), on the host.

    Raises:
        ValueError: x is not token ids (B, 1, 1, L).
    """
    if x.ndim != 4 or x.shape[1:3] != (1, 1) or x.is_floating_point():
        raise ValueError(
            f"{where}: expected token ids of shape (B, 1, 1, L), got {tuple(x.shape)} of {x.dtype}. "
            "It mixes texts; add axes with ids[:, None, None]."
        )
    return (x != 0).sum((1, 2, 3)).cpu().numpy()


def share_kept(own: np.ndarray, length: np.ndarray) -> Tensor:
    """Share of a text's tokens that a span leaves, float32 (B,); 1 for an empty text."""
    return torch.from_numpy((1 - length / np.maximum(own, 1)).astype(np.float32))


def spans(start: np.ndarray, end: np.ndarray) -> Tensor:
    """Boxes of height 1, int64 (B, 4)."""
    zero = np.zeros_like(start)
    return torch.from_numpy(np.stack([zero, zero + 1, start, end], 1))
