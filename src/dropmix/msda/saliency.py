"""Saliency as the gradient of the loss at the images, as in PuzzleMix."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dropmix.msda.maps.network import CleanGuard, check_no_gradients, check_recorded, logits_of, unwrapped


def input_gradient(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    *,
    scale: float | Callable[[], float] | None = None,
    autocast: bool = False,
    channels: Literal["first", "last"] = "first",
) -> Callable[..., Tensor]:
    """Return a function saliency(x, y): the size of the loss's gradient at every pixel.

        S = sqrt(mean over channels of (d loss / dx)^2)

    Runs the model in eval mode, so that batch statistics do not change, and computes no weight gradients. It runs
    the network inside DistributedDataParallel or `torch.compile`, so that a rank that mixes never waits for a rank that
    does not, and in float32 even under autocast, also where accelerate has put it into the network: half precision
    loses small gradients.

    The function takes two optional arguments, for methods that need them. `signed=True` returns the gradient itself,
    (B, C, H, W). `clean=c` trains on these unmixed images too: it runs the model in the mode it is in and adds the
    gradient of c times the loss to the `.grad` of the weights. Call `zero_grad` before the images are mixed. Under a
    GradScaler pass `scale=scaler.get_scale`; if you accumulate gradients over n batches, `scale=1 / n`, or 1 if you add
    up their losses undivided.

    Args:
        model: classifier of images (B, C, H, W), or of sequences or volumes. It returns logits (B, K), a tuple that
            begins with them, or an object with `logits`.
        loss: loss(logits, y) -> scalar; None is cross-entropy, which takes class ids and label shares alike.
        scale: factor of the loss in the backward pass, or a function that returns it. The clean gradient keeps it, the
            saliency does not. None is 1, for loops that do not accumulate.
        autocast: whether the pass runs under an autocast that surrounds the call.
        channels: "last" for a model of (B, L, D) or (B, H, W, C).
    Returns:
        `saliency(x, y, *, signed=False, clean=0.0)` -> (B, H, W), float32, without gradient.
    Raises:
        ValueError: weights sharded over ranks (FSDP), or an output without logits.
        RuntimeError: no gradient reaches the images; weights made in `inference_mode`; a clean pass without `scale`
            while the weights have gradients; in the backward pass after one, if `zero_grad` has cleared the clean
            gradient, or the loss is scaled and the clean loss was not.
    Source:
        Kim et al. 2020 (PuzzleMix), Sec. 4; Simonyan et al. 2014. `clean` is the official code's regularisation.
    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        >>> input_gradient(model)(torch.rand(3, 3, 2, 2), torch.tensor([0, 1, 1])).shape
        torch.Size([3, 2, 2])
    """
    loss = _cross_entropy if loss is None else loss
    guard = CleanGuard(bounded=loss is _cross_entropy)

    def saliency(x: Tensor, y: Tensor, *, signed: bool = False, clean: float = 0.0) -> Tensor:
        network = unwrapped(model)
        check_recorded(network, "input_gradient")
        factor = float(scale()) if callable(scale) else 1.0 if scale is None else float(scale)
        if clean and scale is None:
            check_no_gradients(network)
        with _recording(), _precision(network, x.device.type, autocast), _eager(network):
            x, y = (part.clone() if part.is_inference() else part for part in (x, y))
            gradient = clean_step(network, x, y, clean, factor) if clean else plain(network, x, y, factor)
        return gradient.float() if signed else size_of(gradient if channels == "first" else gradient.movedim(-1, 1))

    def value_at(network: nn.Module, leaf: Tensor, y: Tensor) -> Tensor:
        return loss(logits_of(network(leaf)), y if y.is_floating_point() else y.long())

    def plain(network: nn.Module, x: Tensor, y: Tensor, factor: float) -> Tensor:
        modes = [(module, module.training) for module in network.modules()]
        network.eval()
        try:
            leaf = _leaf(network, x, autocast)
            value = value_at(network, leaf, y)
            value = _reached(value) if factor == 1 else _reached(value) * factor
            (gradient,) = torch.autograd.grad(value, leaf, allow_unused=True)
        finally:
            for module, training in modes:
                module.training = training
        if gradient is None:
            raise RuntimeError(UNREACHED)
        return gradient if factor == 1 else gradient / factor

    def clean_step(network: nn.Module, x: Tensor, y: Tensor, weight: float, factor: float) -> Tensor:
        leaf = _leaf(network, x, autocast)
        value = value_at(network, leaf, y)
        guard.disarm()
        _reached(value).backward(torch.full_like(value, weight * factor))
        guard.arm(network, weight, factor)
        if leaf.grad is None:
            raise RuntimeError(UNREACHED)
        return leaf.grad / (weight * factor)

    return saliency


UNREACHED = (
    "input_gradient: expected a network through which gradients reach the images, got one that stops them. Frozen "
    "weights may stay frozen; take no_grad, detach and inference_mode out of its forward pass."
)


def _reached(value: Tensor) -> Tensor:
    if not value.requires_grad:
        raise RuntimeError(UNREACHED)
    return value


@contextmanager
def _recording() -> Iterator[None]:
    with torch.inference_mode(False), torch.enable_grad():
        yield


def size_of(gradient: Tensor) -> Tensor:
    """Root mean square over channels of a gradient (B, C, ...): (B, ...), float32."""
    return gradient.float().square().mean(1).sqrt()


def channels_last(saliency: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a saliency function of (B, C, ...) that calls one of (B, ..., C)."""

    def of_channels_first(x: Tensor, y: Tensor, **asked: Any) -> Tensor:
        maps = saliency(x.movedim(1, -1), y, **asked)
        return maps.movedim(-1, 1) if asked.get("signed") else maps

    return of_channels_first


def ask_saliency(where: str, x: Tensor, saliency: Tensor | Callable[..., Tensor], **asked: Any) -> Tensor:
    """Return saliency, given as a tensor or as a function of images.

    Args:
        where: for messages.
        x: images, (B, C, H, W).
        saliency: (B, H, W), or a function that returns it, called as saliency(x, **asked).
        asked: `signed` and `clean` of `input_gradient`; false values are not passed on.
    Returns:
        (B, H, W), or the gradient (B, C, H, W) when signed.
    Raises:
        ValueError: a tensor with `signed` or `clean`, or shapes or values that do not fit.
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


def _leaf(network: nn.Module, x: Tensor, autocast: bool) -> Tensor:
    """The images as a leaf in the precision of the weights: float32 for a float32 network, even from half precision."""
    weight = next((p for p in network.parameters() if p.is_floating_point()), None)
    if weight is not None and not autocast and x.is_floating_point():
        x = x.to(weight.dtype)
    return x.detach().requires_grad_()


@contextmanager
def _precision(network: nn.Module, device: str, autocast: bool) -> Iterator[None]:
    """Run without autocast, unless the caller wants it.

    accelerate enters autocast inside the network's own `forward`, so a hook on every module switches it off there too.
    """
    if autocast:
        yield
        return

    def switch_off(*_: Any) -> None:
        if torch.is_autocast_enabled(device):
            torch.set_autocast_enabled(device, False)  # accelerate's context restores it on leaving

    hookable = (m for m in network.modules() if not isinstance(m, torch.jit.ScriptModule))
    handles = [module.register_forward_pre_hook(switch_off) for module in hookable]
    try:
        with torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext():
            yield
    finally:
        for handle in handles:
            handle.remove()


def _eager(network: nn.Module) -> AbstractContextManager[Any]:
    """Run uncompiled: `module.compile()` leaves no wrapper to remove, and another mode would be compiled anew."""
    compiled = any(getattr(module, "_compiled_call_impl", None) is not None for module in network.modules())
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


def _cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    # In float32, as label shares are: cross_entropy takes no mixed types.
    return nn.functional.cross_entropy(logits.float(), y)


def check_saliency(where: str, x: Tensor, saliency: Tensor) -> None:
    """Raise a ValueError unless saliency is (B, H, W) for x and, on a CPU (where reading does not wait), finite."""
    expected = (len(x), *x.shape[2:])
    if tuple(saliency.shape) != expected:
        raise ValueError(
            f"{where}: expected saliency of shape (B, H, W) = {expected}, got {tuple(saliency.shape)}. "
            "Give one map per image, at the image's size."
        )
    if saliency.device.type == "cpu" and not bool(saliency.isfinite().all()):
        raise ValueError(
            f"{where}: expected finite saliency, got NaN or infinity. "
            "If the training diverged, lower the learning rate; else check images and loss for overflow, and compute "
            "saliency outside float16."
        )
