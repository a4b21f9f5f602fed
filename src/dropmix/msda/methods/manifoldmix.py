"""ManifoldMixup. Verma et al., "Manifold Mixup: Better Representations by Interpolating Hidden States",
arXiv 1806.05236."""

import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from dropmix.msda.draw import Per, check_batch, mixes_hidden, shape_only
from dropmix.msda.methods.mixup import mixup
from dropmix.msda.mix import Mix, mix_images


@mixes_hidden
@shape_only
def manifoldmix(
    x: Tensor, *, generator: Generator | None = None, alpha: float = 2.0, layers: int = 3, per: Per = "batch"
) -> Mix:
    """Blend the hidden states of every image and its partner at a random layer (Manifold Mixup).

        h_k' = lam h_k + (1 - lam) h_k[partner],  lam ~ Beta(alpha, alpha),  k drawn uniformly; labels as for images

    Args:
        x: images, (B, C, H, W), or any (B, C, ...), any scale. Only the shape is read.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 2.0 on CIFAR.
        layers: number of places to draw from, >= 1: the images, then the hidden states after the first blocks of the
            network. Paper: 3, the images and the first two residual blocks.
        per: one lam per "batch", as published, or one per "sample". The layer is always one per batch.
    Returns:
        Mix with mask (1, 1, 1, 1) or (B, 1, 1, 1) and the place as layer, for `mix_hidden`.
    Raises:
        ValueError: x is no batch, alpha <= 0 or layers < 1.
    Source:
        Verma et al. 2019, Sec. 2.
    Example:
        >>> manifoldmix(torch.zeros(4, 3, 8, 8)).layer in (0, 1, 2)
        True
    """
    check_batch("manifoldmix", x)
    if layers < 1:
        raise ValueError(f"manifoldmix: expected layers >= 1, got {layers}. 1 mixes the images alone.")
    mix = mixup(x, generator=generator, alpha=alpha, per=per)
    mask = None if mix.mask is None else mix.mask.view(-1, 1, 1, 1)  # of hidden states, whatever the shape of x
    return replace(mix, mask=mask, layer=int(torch.randint(layers, (), device="cpu", generator=generator)))


def mix_hidden(modules: Sequence[nn.Module], mix: Mix) -> AbstractContextManager[None]:
    """Within the context, mix the input of module number `mix.layer`; a record without a layer changes nothing.

    Args:
        modules: the places, e.g. `[net, *net.stages[1:]]`; the network means its images. Each takes hidden states
            with the batch first as its first argument, by position or by name. Compiled modules run uncompiled within
            the context, and so does the context itself within a compiled step.
        mix: a record for the batch that will pass. Only the first call of the module within the context is mixed.
    Raises:
        ValueError: fewer modules than the record's layer asks for, or a record with boxes, cells or a mask over pixels,
            which hidden states do not have.
        RuntimeError: the module was not called within the context, so that nothing was mixed; or it lies in a block
            under `torch.utils.checkpoint`.
    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
        >>> half = Mix(torch.tensor([1, 0]), torch.full((2,), 0.5), mask=torch.full((1, 1, 1, 1), 0.5), layer=1)
        >>> with mix_hidden([net, net[1]], half):
        ...     out = net(torch.eye(2))
        >>> torch.allclose(out[0], out[1])
        True
    """
    return _Untraced(_mixing(modules, mix))


class _Untraced(AbstractContextManager[None]):
    """A context that `torch.compile` runs as it is: traced, it would install no hook."""

    def __init__(self, context: AbstractContextManager[None]) -> None:
        self.context = context

    def __enter__(self) -> None:
        return _entered(self.context)

    def __exit__(self, *failure: Any) -> bool | None:
        return _left(self.context, *failure)


# A decorator would import the compiler.
_entered = torch._disable_dynamo(lambda context: context.__enter__())  # pyright: ignore
_left = torch._disable_dynamo(lambda context, *failure: context.__exit__(*failure))  # pyright: ignore


@contextmanager
def _mixing(modules: Sequence[nn.Module], mix: Mix) -> Iterator[None]:
    if mix.layer is None or mix.is_identity:
        yield
        return
    _check(modules, mix)
    module, waiting = modules[mix.layer], True

    def mix_first_argument(
        module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        nonlocal waiting
        if not waiting:
            return None
        _refuse_checkpoint()
        waiting = False
        if arguments:
            return (_mix(arguments[0], mix), *arguments[1:]), named
        first = next(iter(inspect.signature(module.forward).parameters), None)
        if first not in named:
            raise RuntimeError(
                f"mix_hidden: expected hidden states as the first argument of {type(module).__name__}, got "
                f"{', '.join(named) or 'none'}. Pick a module that takes them first."
            )
        return arguments, named | {first: _mix(named[first], mix)}

    handle = module.register_forward_pre_hook(mix_first_argument, with_kwargs=True)
    try:
        with _eager():
            yield
    finally:
        handle.remove()
    if waiting:
        raise RuntimeError(
            f"mix_hidden: expected a call of module {mix.layer} ({type(module).__name__}) within the context, "
            "got none. Pass modules that the network calls, and run its forward pass inside."
        )


def _eager() -> AbstractContextManager[Any]:
    """Run the modules uncompiled: a compiled graph misses hooks added later, and keeps those it was compiled with."""
    loaded = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if loaded else nullcontext()


def _refuse_checkpoint() -> None:
    """A checkpointed block runs again in the backward pass, outside the context, and would get the wrong gradient."""
    frame = sys._getframe()
    while frame := frame.f_back:
        if frame.f_code.co_filename.endswith(os.path.join("torch", "utils", "checkpoint.py")):
            raise RuntimeError(
                "mix_hidden: expected a module outside checkpointed blocks, got one inside, which runs again after the "
                "context. Turn checkpointing off for it, or mix at a module that contains the blocks."
            )


def _check(modules: Sequence[nn.Module], mix: Mix) -> None:
    assert mix.layer is not None
    if not 0 <= mix.layer < len(modules):
        raise ValueError(
            f"mix_hidden: expected modules for layer {mix.layer}, got {len(modules)}. Pass more, or draw with layers="
            f"{len(modules)}."
        )
    if mix.mask is None or mix.mask.shape[-2:] != (1, 1) or mix.own_cells is not None or mix.own_noise is not None:
        raise ValueError(
            "mix_hidden: expected a record with one share per sample, got boxes, cells, noise or a mask over pixels. "
            "Draw it with manifoldmix."
        )


def _mix(hidden: Tensor, mix: Mix) -> Tensor:
    """Mix hidden states of any shape (B, ...) as images; (B, C, H, W) keeps its memory format."""
    if hidden.ndim == 4:
        return mix_images(hidden, mix)
    return mix_images(hidden.reshape(len(hidden), 1, 1, -1), mix).reshape(hidden.shape)
