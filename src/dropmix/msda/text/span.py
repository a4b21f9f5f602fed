"""CutMix of texts: a span of tokens, at the same place in both. After Yun et al., arXiv 1905.04899."""

import numpy as np
import torch
from torch import Generator, Tensor

from dropmix.msda.draw import Per, draw_lam, draw_partner, uniform
from dropmix.msda.mix import Mix


def spancutmix(x: Tensor, *, generator: Generator | None = None, alpha: float = 1.0, per: Per = "batch") -> Mix:
    """Paste a random span of the partner's tokens (CutMix of texts).

        length = round((1 - lam) n_both), start uniform among the n_both places where both texts have tokens;
        label share = 1 - length / n, n the own text's tokens

    Padding is neither pasted nor counted: every token of the result comes from one of the two texts.

    Args:
        x: token ids, (B, 1, 1, L), 0 for padding, which stands before or after a text.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 1.0.
        per: one lam per "batch" or one per "sample". Every text has its own span.
    Returns:
        Mix with box (B, 4), and the realised share as lam.
    Raises:
        ValueError: x is not token ids (B, 1, 1, L), or 0 stands between tokens.
    Source:
        Yun et al. 2019, Alg. A1, in one dimension. Differs: the span lies inside both texts instead of being clipped.
    Example:
        >>> spancutmix(torch.ones(4, 1, 1, 8, dtype=torch.int64)).box.shape
        torch.Size([4, 4])
    """
    first, end = text_ends("spancutmix", x)
    lam = draw_lam(len(x), alpha, per, generator).numpy().astype(np.float64)
    partner = draw_partner(len(x), generator)
    other = partner.numpy()
    low, high = np.maximum(first, first[other]), np.minimum(end, end[other])
    common = np.maximum(high - low, 0)
    length = np.rint((1 - lam) * common).astype(np.int64)
    start = low + np.floor(uniform(len(x), generator=generator) * (common - length + 1)).astype(np.int64)
    return Mix(partner=partner, lam=share_kept(end - first, length), box=spans(start, start + length))


def text_ends(where: str, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Place of the first token of each text, and the place after its last, int64 (B,), on the host; 0 if it is empty.

    Raises:
        ValueError: x is not token ids (B, 1, 1, L), or 0 stands between tokens.
    Example:
        >>> first, end = text_ends("mix", torch.tensor([[[[0, 7, 8]]], [[[5, 0, 0]]], [[[0, 0, 0]]]]))
        >>> first.tolist(), end.tolist()
        ([1, 0, 0], [3, 1, 0])
    """
    if x.ndim != 4 or x.shape[1:3] != (1, 1) or x.is_floating_point():
        raise ValueError(
            f"{where}: expected token ids of shape (B, 1, 1, L), got {tuple(x.shape)} of {x.dtype}. "
            "It mixes texts; add axes with ids[:, None, None]."
        )
    real = (x != 0).flatten(1).cpu().numpy()
    first = real.argmax(1)
    end = np.where(real.any(1), real.shape[1] - real[:, ::-1].argmax(1), 0)
    if (real.sum(1) != end - first).any():
        raise ValueError(
            f"{where}: expected 0 as padding before or after a text, got one between tokens. If 0 is a token of yours, "
            "mix (ids + 1) * mask, and subtract mask again."
        )
    return first, end


def share_kept(own: np.ndarray, length: np.ndarray) -> Tensor:
    """Share of a text's tokens that a span leaves, float32 (B,); 1 for an empty text."""
    return torch.from_numpy((1 - length / np.maximum(own, 1)).astype(np.float32))


def spans(start: np.ndarray, end: np.ndarray) -> Tensor:
    """Boxes of height 1, int64 (B, 4)."""
    zero = np.zeros_like(start)
    return torch.from_numpy(np.stack([zero, zero + 1, start, end], 1))
