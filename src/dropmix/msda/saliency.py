"""Saliency by input gradient, as PuzzleMix and others take it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def input_gradient(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor] | None = None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a function saliency(x, y): the size of the loss's gradient at every pixel.

        S = sqrt(mean over channels of (d loss / dx)^2)

    Runs the model in eval mode, so that batch statistics stay as they are, and computes no weight gradients.

    Args:
        model: classifier of images (B, C, H, W).
        loss: loss(logits, y) -> scalar; None is cross-entropy, which takes class ids and label shares alike.
    Returns:
        saliency(x, y) -> (B, H, W), float32, without gradient.
    Source:
        Kim et al. 2020 (PuzzleMix), Sec. 4; Simonyan et al. 2014.
    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        >>> input_gradient(model)(torch.rand(3, 3, 2, 2), torch.tensor([0, 1, 1])).shape
        torch.Size([3, 2, 2])
    """
    loss = _cross_entropy if loss is None else loss

    def saliency(x: Tensor, y: Tensor) -> Tensor:
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(loss(model(leaf), y), leaf)
        finally:
            for module, training in modes:
                module.training = training
        return gradient.float().square().mean(1).sqrt()

    return saliency


def _cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    # In float32: label shares are, and cross_entropy takes no mixture of types.
    return nn.functional.cross_entropy(logits.float(), y)


def check_saliency(where: str, x: Tensor, saliency: Tensor) -> None:
    """Raise a ValueError unless saliency is (B, H, W) for x and, where looking costs no wait (on a CPU), finite."""
    expected = (len(x), *x.shape[-2:])
    if tuple(saliency.shape) != expected:
        raise ValueError(
            f"{where}: expected saliency of shape (B, H, W) = {expected}, got {tuple(saliency.shape)}. "
            "Give one map an image, at the image's size."
        )
    if saliency.device.type == "cpu" and not bool(saliency.isfinite().all()):
        raise ValueError(
            f"{where}: expected finite saliency, got NaN or infinity. "
            "Check images and loss for overflow; compute saliency outside float16."
        )
