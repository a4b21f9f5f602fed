"""TransMix. Chen et al., "TransMix: Attend to Mix for Vision Transformers", arXiv 2111.09833."""

from dataclasses import replace

from torch import Generator, Tensor

from dropmix.msda.boxes import BoxForm
from dropmix.msda.draw import Per, check_batch, shape_only
from dropmix.msda.methods.cutmix import cutmix
from dropmix.msda.mix import Mix


@shape_only
def transmix(
    x: Tensor,
    *,
    generator: Generator | None = None,
    alpha: float = 1.0,
    weight: float = 0.5,
    per: Per = "batch",
    form: BoxForm = "integer",
) -> Mix:
    """Paste a box of the partner, and label it half by its area and half by the attention that it gets (TransMix).

        partner's share = (1 - weight) area + weight (sum of A inside the box / sum of A);
        A the class token's attention to the patches of the mixed image, in the last block, mean over heads

    Labels are known after the network's pass only: the record waits for `Mix.with_attention`.

    Args:
        x: images, (B, C, H, W), any scale. Only the shape is read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 1.0.
        weight: weight of the attention, in (0, 1]. Official code: 0.5.
        per: one lam and box per "batch", as published, or one per "sample".
        form: how the box is rounded: see `draw_box`.
    Returns:
        Mix as CutMix's, with `attended`, the weight.
    Raises:
        ValueError: shapes that do not fit, a side below 3 pixels, alpha <= 0, or weight out of range.
    Source:
        Chen et al. 2022, Sec. 3, as the official code runs it. Differs: it alternates with Mixup, which `DropMix` does
        with {"mixup": 0.2, "transmix": 0.8}. Labels carry no gradient.
    Example:
        >>> import torch
        >>> mix = transmix(torch.zeros(4, 3, 32, 32))
        >>> mix.attended, mix.with_attention(torch.rand(4, 2, 2), (32, 32)).lam.shape
        (0.5, torch.Size([4]))
    """
    check_batch("transmix", x, places=2, most=2)
    if not 0 < weight <= 1:
        raise ValueError(f"transmix: expected weight in (0, 1], got {weight}. The official code uses 0.5; 0 is cutmix.")
    mix = cutmix(x, generator=generator, alpha=alpha, per=per, form=form)
    return mix if mix.is_identity else replace(mix, attended=weight)
