"""wordMixup and senMixup. Guo, Mao & Zhang, "Augmenting Data with Mixup for Sentence Classification", arXiv
1905.08941."""

from dataclasses import replace

from torch import Generator, Tensor

from dropmix.msda.draw import Per, mixes_hidden, shape_only
from dropmix.msda.methods.mixup import mixup
from dropmix.msda.mix import Mix

EMBEDDINGS, SENTENCE = 1, 2
"""Layers for `mix_hidden` on [net, *net.stages[1:]]: the inputs of the encoder and of the head."""


@mixes_hidden
@shape_only
def wordmixup(x: Tensor, *, generator: Generator | None = None, alpha: float = 1.0, per: Per = "batch") -> Mix:
    """Blend the embeddings of every text and its partner, place by place (wordMixup).

    Padding counts as a zero vector: past the end of the shorter text, the longer text is scaled by its share.

    Args:
        x: token ids, (B, 1, 1, L). Only the shape is read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 1.0.
        per: one lam per "batch" or one per "sample".
    Returns:
        Mix for `mix_hidden`, at the input of the second stage.
    Source:
        Guo et al. 2019, Sec. 3.
    Example:
        >>> import torch
        >>> wordmixup(torch.ones(4, 1, 1, 8, dtype=torch.int64)).layer
        1
    """
    return replace(mixup(x, generator=generator, alpha=alpha, per=per), layer=EMBEDDINGS)


@mixes_hidden
@shape_only
def senmixup(x: Tensor, *, generator: Generator | None = None, alpha: float = 1.0, per: Per = "batch") -> Mix:
    """Blend the sentence vectors of every text and its partner, before the classifier (senMixup).

    Arguments and source as for `wordmixup`.

    Returns:
        Mix for `mix_hidden`, at the input of the third stage.
    Example:
        >>> import torch
        >>> senmixup(torch.ones(4, 1, 1, 8, dtype=torch.int64)).layer
        2
    """
    return replace(mixup(x, generator=generator, alpha=alpha, per=per), layer=SENTENCE)
