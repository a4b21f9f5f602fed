"""Manifold Mixup. Verma et al., "Manifold Mixup: Better Representations by Interpolating Hidden States",
arXiv 1806.05236."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor, nn

from .mix import Mix, mix_images


@contextmanager
def manifoldmix(
    modules: Sequence[nn.Module], mix: Mix, *, layer: int | None = None, generator: Generator | None = None
) -> Iterator[int]:
    """Within the context, mix the input of one module instead of the images.

        h_k' = lam h_k + (1 - lam) h_k[partner],  k drawn uniformly; labels as for images

    Args:
        modules: where mixing may happen, e.g. [net, net.layer1, net.layer2]; the network itself means its images.
            Each takes hidden states with the batch first as its first argument.
        mix: a record with a share a sample or a batch, as `mixup` draws, for the batch that will pass.
        layer: position in `modules` to use; None draws one.
        generator: CPU generator for that draw; None uses torch's global one.
    Yields:
        The position that was drawn.
    Raises:
        ValueError: no module, or a record with boxes, cells or a mask over pixels, which hidden states do not have.
        RuntimeError: the module was not called within the context: nothing was mixed.
    Source:
        Verma et al. 2019, Sec. 2; k from the images and the first residual stages, alpha 2.0 on CIFAR. Only the first
        call of the module within the context is mixed.
    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
        >>> half = Mix(torch.tensor([1, 0]), torch.full((2,), 0.5), mask=torch.full((1, 1, 1, 1), 0.5))
        >>> with manifoldmix([net, net[1]], half, layer=1) as drawn:
        ...     out = net(torch.eye(2))
        >>> drawn, torch.allclose(out[0], out[1])
        (1, True)
    """
    if not modules:
        raise ValueError("manifoldmix: expected at least one module, got none. Pass e.g. [net, net.layer1].")
    if not mix.is_identity and (mix.mask is None or mix.mask.shape[-2:] != (1, 1) or mix.own_cells is not None):
        raise ValueError(
            "manifoldmix: expected a record with one share a sample, got boxes, cells or a mask over pixels. "
            "Draw it with mixup."
        )
    if layer is None:
        layer = int(torch.randint(len(modules), (), device="cpu", generator=generator))
    waiting = True

    def mix_first_argument(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        nonlocal waiting
        if not waiting:
            return None
        waiting = False
        return (_mix_hidden(arguments[0], mix), *arguments[1:])

    handle = modules[layer].register_forward_pre_hook(mix_first_argument)
    try:
        yield layer
    finally:
        handle.remove()
    if waiting:
        raise RuntimeError(
            f"manifoldmix: expected a call of module {layer} ({type(modules[layer]).__name__}) within the context, "
            "got none. Pass modules that the network calls, and run its forward pass inside."
        )


def _mix_hidden(hidden: Tensor, mix: Mix) -> Tensor:
    """Hidden states of any shape (B, ...) seen as images."""
    return mix_images(hidden.reshape(len(hidden), 1, 1, -1), mix).reshape(hidden.shape)
