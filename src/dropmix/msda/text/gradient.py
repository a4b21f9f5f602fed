"""Saliency of tokens: the size of the loss's gradient at their embeddings."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def token_gradient(model: nn.Module, embedding: nn.Module) -> Callable[..., Tensor]:
    """Return a function saliency(x, y) as `dropmix.input_gradient` does, for token ids.

        S = sqrt(mean over dimensions of (d loss / d embedding)^2), 0 for padding

    Runs the model in eval mode, outside `torch.no_grad` and `torch.inference_mode`, and computes no weight gradients.

    Args:
        model: classifier of token ids (B, 1, 1, L).
        embedding: its module that turns ids into (B, L', D). The first token is at position `embedding.first`, or 0
            without that attribute.
    Returns:
        saliency(x, y) -> (B, 1, L), float32, without gradient.
    """
    first = getattr(embedding, "first", 0)

    def saliency(x: Tensor, y: Tensor, *, signed: bool = False, clean: float = 0.0) -> Tensor:
        if signed or clean:
            raise ValueError("saliency: expected a method for texts, got one that moves pixels. Use ssmix.")
        kept: list[Tensor] = []

        def keep(_: nn.Module, __: object, output: Tensor) -> Tensor:
            kept.append(output.detach().requires_grad_())
            return kept[0]

        modes = [(module, module.training) for module in model.modules()]
        handle = embedding.register_forward_hook(keep)
        model.eval()
        try:
            # Tensors made in inference mode take part in no gradient; copies made outside it do.
            with torch.inference_mode(False), torch.enable_grad():
                loss = nn.functional.cross_entropy(model(x.clone()).float(), y.clone())
                (gradient,) = torch.autograd.grad(loss, kept[0])
        finally:
            handle.remove()
            for module, training in modes:
                module.training = training
        size = gradient.float().square().mean(2).sqrt()[:, first : first + x.shape[-1]]
        return (size * (x.flatten(1) != 0))[:, None]

    return saliency
