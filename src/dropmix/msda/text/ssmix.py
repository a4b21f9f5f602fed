"""SSMix. Yoon, Kim & Park, "SSMix: Saliency-Based Span Mixup for Text Classification", arXiv 2106.08062."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Generator, Tensor

from dropmix.msda.draw import draw_partner
from dropmix.msda.mix import Mix
from dropmix.msda.saliency import ask_saliency
from dropmix.msda.text.span import share_kept, spans, text_ends


def ssmix(
    x: Tensor,
    saliency: Tensor | Callable[..., Tensor],
    *,
    generator: Generator | None = None,
    ratio: float = 0.1,
) -> Mix:
    """Replace the least salient span of every text by its partner's most salient span of that length (SSMix).

        length = max(1, min(floor(ratio n), n_partner)); label share = 1 - length / n

    Args:
        x: token ids, (B, 1, 1, L), 0 for padding, which stands before or after a text.
        saliency: importance of each token, (B, 1, L), or a function of x that returns it: the size of the loss's
            gradient at the embeddings. A span's saliency is the sum over its tokens; ties go to the first span.
        generator: CPU generator that draws the partners; None uses torch's global one.
        ratio: share of the own text that is replaced, in (0, 1). Paper: 0.1.
    Returns:
        Mix with box (B, 4) and the moved spans as `pasted`.
    Raises:
        ValueError: x is not token ids (B, 1, 1, L), 0 stands between tokens, or ratio outside (0, 1).
    Source:
        Yoon et al. 2021, Sec. 3. Differs: trains on the mixed texts alone, where the paper adds the losses of both
        orders and of the unmixed texts.
    Example:
        >>> ssmix(torch.ones(4, 1, 1, 8, dtype=torch.int64), torch.rand(4, 1, 8)).lam
        tensor([0.8750, 0.8750, 0.8750, 0.8750])
    """
    first, end = text_ends("ssmix", x)
    own = end - first
    if not 0 < ratio < 1:
        raise ValueError(f"ssmix: expected ratio in (0, 1), got {ratio}. The paper uses 0.1.")
    sizes = ask_saliency("ssmix", x, saliency)[:, 0].double().cpu().numpy()
    partner = draw_partner(len(x), generator)
    row = partner.numpy()
    other = own[row]
    length = np.minimum(np.maximum(np.minimum(np.floor(ratio * own), other), 1), np.minimum(own, other)).astype(
        np.int64
    )
    least = best_span(-sizes, first, end, length)
    most = best_span(sizes[row], first[row], end[row], length)
    # Pasted tokens come from the partner, shifted so that its span lies under the box.
    source = np.arange(x.shape[3])[None] + (most - least)[:, None]
    source = torch.from_numpy(source.clip(0, x.shape[3] - 1)).to(x.device)
    pasted = x[partner.to(x.device)][:, 0, 0].gather(1, source)[:, None, None]
    mix = Mix(partner=partner, lam=share_kept(own, length), box=spans(least, least + length))
    return replace(mix, pasted=pasted)


def best_span(sizes: np.ndarray, first: np.ndarray, end: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Start of the span with the largest sum in each text, int64 (B,).

    Args:
        sizes: one number per token, (B, L).
        first, end: place of each text's first token, and the place after its last, (B,).
        width: of each span, (B,), at most end - first.
    Example:
        >>> best_span(np.array([[1.0, 0, 2, 3, 9]]), np.array([0]), np.array([4]), np.array([2]))
        array([2])
    """
    total = np.concatenate([np.zeros((len(sizes), 1)), sizes.cumsum(1)], 1)
    start = np.arange(sizes.shape[1])[None]
    stop = start + width[:, None]
    sums = np.take_along_axis(total, np.minimum(stop, sizes.shape[1]), 1) - total[:, :-1]
    # Rounded, so that equal spans at different positions of a running sum tie.
    sums = np.where((start >= first[:, None]) & (stop <= end[:, None]), sums.round(12), -np.inf)
    return sums.argmax(1)
