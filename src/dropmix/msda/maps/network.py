"""The network inside its wrappers, its logits, its moving average, and a guard against losing the clean gradient."""

import sys
from typing import Any

import torch
from torch import Tensor, nn

# A GradScaler starts at a factor of 65536. Training loss and clean loss never differ by that much.
_SCALED = 4096.0
# The gradient of a mean of cross-entropies at a head's bias is at most sqrt(2), whatever the images. Logits may have a
# temperature and the loss a factor.
_LARGEST = 32 * 2**0.5
_LOOKS = 8  # reading a gradient waits for the device


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network inside DistributedDataParallel, DataParallel and `torch.compile`.

    Raises:
        ValueError: its weights are sharded over several ranks, which only all of them together can run.
    Example:
        >>> net = nn.Linear(2, 2)
        >>> unwrapped(nn.DataParallel(net)) is net
        True
    """
    while True:
        if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            model = model.module
        elif hasattr(model, "_orig_mod"):
            model = model._orig_mod  # pyright: ignore[reportAssignmentType]
        else:
            break
    if any(_is_sharded(module) for module in model.modules()):
        raise ValueError(
            "input_gradient: expected a network whose weights this rank holds, got FSDP, where a rank that mixes would "
            "wait for a rank that does not. Use a method without saliency, DDP, or the gradient of a whole copy."
        )
    return model


def _is_sharded(module: nn.Module) -> bool:
    for name, kind in (
        ("torch.distributed.fsdp", "FullyShardedDataParallel"),
        ("torch.distributed.fsdp", "FSDPModule"),
    ):
        known = getattr(sys.modules.get(name), kind, None)
        if known is not None and isinstance(module, known):
            return torch.distributed.get_world_size() > 1
    return False


def logits_of(output: Any) -> Tensor:
    """Return the logits of a network's output: a tensor, a tuple that begins with one, or an object with `logits`.

    Example:
        >>> logits_of({"loss": None, "logits": torch.zeros(1, 2)}).shape
        torch.Size([1, 2])
    """
    if isinstance(output, Tensor):
        return output
    logits = output.get("logits") if isinstance(output, dict) else getattr(output, "logits", None)
    if logits is None and isinstance(output, tuple | list) and output:
        logits = output[0]
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"network: expected logits, a tuple that begins with them or .logits, got {type(output).__name__}. "
            "Wrap the network so that it returns logits."
        )
    return logits


@torch.no_grad()
def move_towards(model: nn.Module, source: nn.Module, share: float) -> None:
    """Move all weights and statistics of a model towards those of another like it: model += share (source - model).

    Whole numbers are copied.

    Example:
        >>> a, b = nn.Linear(2, 2), nn.Linear(2, 2)
        >>> move_towards(a, b, 1.0)
        >>> torch.equal(a.weight, b.weight)
        True
    """
    new = source.state_dict()
    own = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    real = [name for name, value in own.items() if value.is_floating_point()]
    if real:
        torch._foreach_lerp_([own[name] for name in real], [new[name] for name in real], share)  # pyright: ignore
    for name in own.keys() - set(real):
        own[name].copy_(new[name])


def check_no_gradients(network: nn.Module) -> None:
    """Raise a RuntimeError if weights have gradients already: those of the batch before, or of one to accumulate.

    Example:
        >>> check_no_gradients(nn.Linear(2, 2))
    """
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if gradients and bool(torch.stack([gradient.any() for gradient in gradients]).any()):
        raise RuntimeError(
            "input_gradient: expected no gradients before the clean pass, got some. Call optimizer.zero_grad() before "
            "the images are mixed. If you accumulate over n batches, say input_gradient(model, scale=1 / n)."
        )


def check_recorded(network: nn.Module, where: str) -> None:
    """Raise a RuntimeError if weights or buffers were made in `inference_mode`, since no gradient passes them.

    Example:
        >>> check_recorded(nn.Linear(2, 2), "here")
    """
    if any(tensor.is_inference() for part in (network.parameters(), network.buffers()) for tensor in part):
        raise RuntimeError(
            f"{where}: expected a network made outside torch.inference_mode(), got one made or loaded within it, "
            "which no gradient can pass. Make it outside, or under torch.no_grad()."
        )


class CleanGuard:
    """Checks, when the backward pass of training reaches the last weight, that the clean gradient is still there.

    Args:
        bounded: whether the clean loss is a mean of cross-entropies.
    """

    def __init__(self, bounded: bool) -> None:
        self.handle: Any = None
        self.looks = 0
        self.bounded = bounded

    def disarm(self) -> None:
        """Stop checking."""
        if self.handle is not None:
            self.handle.remove()
            self.handle = None

    def arm(self, network: nn.Module, weight: float, scale: float) -> None:
        """Check the next backward pass, after a clean pass with this weight and scale."""
        last = next((p for p in reversed(list(network.parameters())) if p.grad is not None and p.requires_grad), None)
        if last is None or last.grad is None:
            return
        gradient, version = last.grad, last.grad._version
        size = gradient.norm() / weight if self.looks < _LOOKS else None
        heads = (m for m in network.modules() if isinstance(m, nn.Linear) and m.bias is last)
        bounded = self.bounded and any(True for _ in heads)

        def check(arriving: Tensor) -> None:
            self.disarm()
            if last.grad is not gradient or gradient._version != version:
                raise RuntimeError(
                    "input_gradient: expected the clean gradient in .grad, got it cleared or changed since the images "
                    "were mixed. Call optimizer.zero_grad() before they are mixed, not after."
                )
            if size is not None:
                self.looks += 1
                most = max(_LARGEST * scale, 32 * float(size)) if bounded else _SCALED * float(size)
                if float(size) > 0 and float(arriving.norm()) > most:
                    raise RuntimeError(
                        "input_gradient: expected a training loss on the scale of the clean loss, got one scaled up. "
                        "Under a GradScaler say input_gradient(model, scale=scaler.get_scale)."
                    )

        self.handle = last.register_hook(check)
