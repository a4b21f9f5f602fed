"""Saliency by input gradient, as PuzzleMix and others take it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def input_gradient(model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor] | None = None) -> Callable[..., Tensor]:
    """Return a function saliency(x, y): the size of the loss's gradient at every pixel.

        S = sqrt(mean over channels of (d loss / dx)^2)

    Runs the model in eval mode, so that batch statistics stay as they are, and computes no weight gradients.

    The function takes two more arguments, which methods pass that were asked for them. `signed=True` returns the
    gradient itself, (B, C, H, W). `clean=c` trains on these unmixed images too: it runs the model in the mode it is in
    and adds the gradient of c times the loss to the `.grad` of the weights, so call `zero_grad` before, not after.

    Args:
        model: classifier of images (B, C, H, W).
        loss: loss(logits, y) -> scalar; None is cross-entropy, which takes class ids and label shares alike.
    Returns:
        `saliency(x, y, *, signed=False, clean=0.0)` -> (B, H, W), float32, without gradient.
    Source:
        Kim et al. 2020 (PuzzleMix), Sec. 4; Simonyan et al. 2014. `clean` is the official code's regularisation.
    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        >>> input_gradient(model)(torch.rand(3, 3, 2, 2), torch.tensor([0, 1, 1])).shape
        torch.Size([3, 2, 2])
    """
    loss = _cross_entropy if loss is None else loss

    def saliency(x: Tensor, y: Tensor, *, signed: bool = False, clean: float = 0.0) -> Tensor:
        gradient = clean_step(x, y, clean) if clean else plain(x, y)
        return gradient.float() if signed else size_of(gradient)

    def plain(x: Tensor, y: Tensor) -> Tensor:
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(loss(model(leaf), y), leaf)
        finally:
            for module, training in modes:
                module.training = training
        return gradient

    def clean_step(x: Tensor, y: Tensor, weight: float) -> Tensor:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            value = loss(model(leaf), y)
            value.backward(torch.full_like(value, weight))
        assert leaf.grad is not None
        return leaf.grad / weight

    return saliency


def size_of(gradient: Tensor) -> Tensor:
    """Root mean square over channels of a gradient (B, C, H, W): (B, H, W), float32."""
    return gradient.float().square().mean(1).sqrt()


def ask_saliency(where: str, x: Tensor, saliency: Tensor | Callable[..., Tensor], **asked: Any) -> Tensor:
    """Return saliency that was given as a tensor or as a function of images.

    Args:
        where: for messages.
        x: images, (B, C, H, W).
        saliency: (B, H, W), or a function that returns it, called as saliency(x, **asked).
        asked: `signed` and `clean` of `input_gradient`; what is false is not passed on.
    Returns:
        (B, H, W), or the gradient (B, C, H, W) when signed.
    Raises:
        ValueError: a tensor where something is asked of it, or shapes or values that do not fit.
    Example:
        >>> ask_saliency("here", torch.ones(1, 3, 2, 2), lambda x: x.mean(1)).shape
        torch.Size([1, 2, 2])
    """
    asked = {key: value for key, value in asked.items() if value}
    if callable(saliency):
        saliency = saliency(x, **asked)
    elif asked:
        raise ValueError(
            f"{where}: expected saliency as a function of images that takes {', '.join(asked)}, got a tensor. "
            "Pass one, e.g. DropMix(...)(x, y, saliency=input_gradient(model))."
        )
    if asked.get("signed"):
        if saliency.shape != x.shape:
            raise ValueError(
                f"{where}: expected a signed gradient of shape (B, C, H, W) = {tuple(x.shape)}, got "
                f"{tuple(saliency.shape)}. Return the gradient itself when signed=True."
            )
        check_saliency(where, x, size_of(saliency))
    else:
        check_saliency(where, x, saliency)
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
