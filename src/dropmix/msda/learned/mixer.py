"""What AutoMix learns: the Mix Block, supervised by a moving average of the network in training."""

import copy
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.utils.data import get_worker_info

from dropmix.msda.labels import label_shares
from dropmix.msda.maps.activation import find_stage
from dropmix.msda.maps.network import logits_of, move_towards, unwrapped
from dropmix.msda.streams import stream

SPREAD = 0.01  # of the first weights
MEMORY, TINY = (0.9, 0.999), 1e-8  # of Adam
SLACK = 0.1  # how far a mask's mean may lie from lam at no cost


class MixBlock(nn.Module):
    """Cross-attention from one image's feature map to another's, read as a mask.

        q = W [z; lam] + b;  k = W [z'; 1 - lam] + b;  P = softmax(q^T k / sqrt(d));  v = w [z'; 1 - lam] + c
        mask = 1 - sigmoid(P v), each place repeated over its pixels;  z divided by its root mean square

    Args:
        channels: C of the feature maps; d is half of it, at least 1.
    Attributes:
        weights: W, b, w and c, one after the other, (n,), float32. Not a `Parameter`, so that other optimisers and
            DistributedDataParallel ignore it.
        slope, square: Adam's averages of gradients and of their squares, (n,).
        taken: number of its steps, ().
    """

    weights: Tensor
    slope: Tensor
    square: Tensor
    taken: Tensor

    def __init__(self, channels: int, device: torch.device) -> None:
        super().__init__()
        self.channels, self.inner = channels, max(channels // 2, 1)
        count = sum(self._sizes)
        for name, size in (("weights", (count,)), ("slope", (count,)), ("square", (count,)), ("taken", ())):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float32, device=device))

    @property
    def _sizes(self) -> tuple[int, int, int, int]:
        return self.inner * (self.channels + 1), self.inner, self.channels + 1, 1

    def start(self, generator: Generator | None) -> None:
        """Draw the first weights. Masks begin even and as large as lam asks for: sigmoid(4 lam - 2) is about lam."""
        first = torch.zeros(self.weights.shape, dtype=torch.float32, device="cpu")
        keys, _, values, offset = first.split(self._sizes)
        keys.normal_(0, SPREAD, generator=generator)
        values.normal_(0, SPREAD, generator=generator)
        values[-1], offset[0] = 4.0, -2.0
        self.weights.copy_(first, non_blocking=True)

    def masks(
        self, z: Tensor, partner: Tensor, lam: Tensor, sides: torch.Size, weights: Tensor | None = None
    ) -> Tensor:
        """Return the share of each own pixel, (B, 1, H, W), float32.

        Args:
            z: feature maps, (B, C, h, w), float32.
            partner: (B,), int64.
            lam: (B,), float32.
            sides: H and W.
            weights: instead of the block's own.
        """
        count, channels, height, width = z.shape
        keys, shift, values, offset = (self.weights if weights is None else weights).split(self._sizes)
        keys, flat = keys.view(self.inner, channels + 1), z.flatten(2)
        flat = flat / (flat.square().mean((1, 2), keepdim=True).sqrt() + TINY)  # networks differ in scale
        # The channel of lam is constant over a map, so that it adds a constant to what the map itself gives.
        seen, spoken = keys[:, :channels] @ flat, values[:channels] @ flat
        lam = lam[:, None, None]
        q = seen + keys[:, channels:] * lam + shift[:, None]
        k = seen[partner] + keys[:, channels:] * (1 - lam) + shift[:, None]
        v = spoken[partner][:, :, None] + values[channels] * (1 - lam) + offset
        attention = (q.transpose(1, 2) @ k * self.inner**-0.5).softmax(2)
        theirs = F.interpolate((attention @ v).view(count, 1, height, width), sides, mode="nearest").sigmoid()
        return 1 - theirs

    def descend(self, gradient: Tensor, lr: float) -> None:
        """Take a step of Adam; what is not finite in the gradient counts as 0."""
        gradient = gradient.nan_to_num(0.0, 0.0, 0.0)
        self.taken += 1
        self.slope.lerp_(gradient, 1 - MEMORY[0])
        self.square.lerp_(gradient.square(), 1 - MEMORY[1])
        slope, square = (part / (1 - m**self.taken) for part, m in zip((self.slope, self.square), MEMORY))
        self.weights.sub_(lr * slope / (square.sqrt() + TINY))


class Mixer(nn.Module):
    """The Mix Block of a network in training, and the teacher, that network's moving average.

    Both are made at the first mixed batch, when the features' shape is known. `state_dict` holds them.

    Args:
        network: in training; not part of the state.
        seed: of the block's first weights; None takes one from the generator of the first draw.
    Attributes:
        block: None before the first mixed batch.
        teacher: the same; always in eval mode.
        stage: name of the teacher's module whose output is the feature map.
        steps: number of mixed batches so far.
    """

    def __init__(self, network: nn.Module | None, seed: int | None = None) -> None:
        super().__init__()
        self._network = [network]  # in a list: no submodule
        self.seed, self.steps, self.stage = seed, 0, ""
        self.register_module("block", None)
        self.register_module("teacher", None)

    @property
    def network(self) -> nn.Module:
        """The network in training, without its wrappers. Raises a ValueError if there is none."""
        (network,) = self._network
        if not isinstance(network, nn.Module):
            given = None if network is None else type(network).__name__
            raise ValueError(
                f"automix: expected network=..., the classifier in training (torch.nn.Module), got {given}. Give it, "
                'e.g. DropMix("automix", num_classes=100, network=model).'
            )
        return unwrapped(network)

    def follow(self, momentum: float) -> nn.Module:
        """Move the teacher towards the network, and return it.

        teacher += (1 - m) (network - teacher),  m = min(momentum, (1 + n) / (10 + n)) after n mixed batches
        """
        if get_worker_info() is not None:
            raise RuntimeError(
                "automix: expected calls in the main process, got one in a DataLoader worker, whose copy of the "
                "network is not trained. Mix after loading."
            )
        if self.teacher is None:
            self.teacher = _copied(self.network)
        else:
            move_towards(self.teacher, self.network, 1 - min(momentum, (1 + self.steps) / (10 + self.steps)))
        self.steps += 1
        return self.teacher

    def features(self, x: Tensor, stage: str | None, generator: Generator | None = None) -> Tensor:
        """Return the teacher's feature maps, (B, C, h, w), float32; make the block at the first call."""
        assert self.teacher is not None
        if not self.stage:
            self.stage = find_stage(self.teacher, x) if stage is None else stage
        kept: list[Any] = []
        try:
            module = self.teacher.get_submodule(self.stage)
        except AttributeError:
            names = ", ".join(name for name, _ in self.teacher.named_children())
            raise ValueError(
                f"automix: expected stage as the name of a module of the network (at its top: {names}), got "
                f"{self.stage!r}. Leave it out to have one found."
            ) from None
        handle = module.register_forward_hook(lambda _, __, output: kept.append(output))
        try:
            self.teacher(x)
        finally:
            handle.remove()
        if not (kept and isinstance(kept[-1], Tensor) and kept[-1].ndim == 4 and len(kept[-1]) == len(x)):
            raise ValueError(
                f"automix: expected a stage whose output is a map (B, C, h, w), got {self.stage!r}, whose is not. "
                "Name another module."
            )
        z = kept[-1].float()
        if self.block is None:
            self.block = MixBlock(z.shape[1], z.device)
            self.block.start(generator if self.seed is None else stream(self.seed, "mixer"))
        return z

    def learn(self, x: Tensor, y: Tensor, z: Tensor, partner: Tensor, lam: Tensor, *, lr: float, area: float) -> Tensor:
        """Train the block for a step: the teacher should see both classes of its mixed images, each by its share.

            loss = CE(teacher(mixed), lam y + (1 - lam) y') + area mean(max(|mean of mask - lam| - 0.1, 0))

        Args:
            x: images, (B, C, H, W), as the teacher takes them.
            y: class ids, (B,), or label shares, (B, K).
            z: their feature maps; they carry no gradient.
            partner, lam: (B,).
            lr: learning rate.
            area: weight of the second term.
        Returns:
            The loss, a scalar without gradient.
        """
        assert self.block is not None
        assert self.teacher is not None
        with torch.enable_grad():
            leaf = self.block.weights.detach().requires_grad_()
            mask = self.block.masks(z, partner, lam, x.shape[2:], leaf)
            share = mask.to(x.dtype)
            logits = logits_of(self.teacher(share * x + (1 - share) * x[partner])).float()
            shares = label_shares(y, logits.shape[1]).to(logits)
            target = lam[:, None] * shares + (1 - lam)[:, None] * shares[partner]
            excess = ((mask.mean((1, 2, 3)) - lam).abs() - SLACK).clamp_min(0).mean()
            loss = F.cross_entropy(logits, target) + area * excess
            (gradient,) = torch.autograd.grad(loss, leaf)
        self.block.descend(gradient, lr)
        return loss.detach()

    def train(self, mode: bool = True) -> "Mixer":
        """Set the mode of everything but the teacher."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def __repr__(self) -> str:
        return f"Mixer(steps={self.steps}, stage={self.stage!r})"

    def get_extra_state(self) -> dict[str, Any]:
        """For `state_dict`: what it takes to make block and teacher, which then load as submodules."""
        channels = 0 if self.block is None else self.block.channels
        return {"seed": self.seed, "steps": self.steps, "stage": self.stage, "channels": channels}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Make block and teacher as they were when the state was taken; torch loads their values next."""
        self.seed, self.steps, self.stage = state["seed"], state["steps"], state["stage"]
        self.teacher = _copied(self.network) if state["steps"] else None
        device = next((value.device for value in self.network.state_dict().values()), torch.device("cpu"))
        self.block = MixBlock(state["channels"], device) if state["channels"] else None


def _copied(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).requires_grad_(False).eval()
