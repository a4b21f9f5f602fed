"""One training step: the same function for every arm and every executor."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropmix.data import Dataset
from dropmix.data.records import Texts
from dropmix.msda.binding import is_of_hidden, map_kind, network_option
from dropmix.msda.dropmix import DropMix
from dropmix.msda.labels import label_shares
from dropmix.msda.maps.activation import class_activation, feature_map
from dropmix.msda.maps.attention import check_class_token, class_attention
from dropmix.msda.maps.network import logits_of
from dropmix.msda.methods.manifoldmix import mix_hidden
from dropmix.msda.mix import Mix, mix_images, mix_labels
from dropmix.msda.saliency import input_gradient
from dropmix.msda.text.gradient import token_gradient
from dropmix.nets import hidden_modules
from dropmix.nets.names import is_foreign
from dropmix.nets.trained import build_trained
from dropmix.text.networks import build_text
from dropmix.train.config import Arm, RunSpec
from dropmix.train.optimizer import Average, make_optimizer, set_lr, set_training
from dropmix.train.plan import batch_slices, stream

Loss = Callable[[Tensor, Tensor], Tensor]


def soft_cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross-entropy of softmax against label shares, mean over the batch (preset `paper`)."""
    return F.cross_entropy(logits.float(), shares)


def bce_of_softmax(logits: Tensor, shares: Tensor) -> Tensor:
    """Binary cross-entropy of softmax against label shares, mean over B x K (preset `released-code`)."""
    return F.binary_cross_entropy(logits.float().softmax(1), shares)


MAPS: dict[str | None, Callable[[nn.Module], Callable[..., Tensor]]] = {
    "features": feature_map,
    "class": class_activation,
}
"""Maps of the network in training, for methods that were published with a teacher's: see `map_kind`."""
LOSSES: dict[str, Loss] = {"cross-entropy": soft_cross_entropy, "bce-of-softmax": bce_of_softmax}


def pin(mix: Mix) -> Mix:
    """Return the record with its host tensors in page-locked memory, so that copies to a GPU do not wait."""
    parts = {field.name: getattr(mix, field.name) for field in fields(mix)}
    host = {name: part for name, part in parts.items() if isinstance(part, Tensor) and part.device.type == "cpu"}
    below = None if mix.below is None else pin(mix.below)
    return replace(mix, **{name: part.contiguous().pin_memory() for name, part in host.items()}, below=below)


def build_for(spec: RunSpec, dataset: Dataset) -> nn.Module:
    """Make a run's network, for images or texts; fresh weights come from torch's global generator."""
    if isinstance(dataset.train, Texts):
        return build_text(spec.network, len(dataset.classes), len(dataset.train.words))
    known = {"network_sha256": spec.network_sha256, "weights_sha256": spec.weights_sha256}
    return build_trained(spec.network, spec.weights, len(dataset.classes), dataset.train.shape, known)[0]


def by_class(arm: Arm, classes: Sequence[str]) -> dict[str, Any]:
    """Rate and partners as `DropMix` takes them, with ids of classes in place of their names."""
    place = {name: i for i, name in enumerate(classes)}
    taken = arm.confusions and {place[name]: place[other] for name, other in arm.confusions.items()}
    rate = arm.rate if arm.rates is None else [arm.rates[name] for name in classes]
    withheld = [place[name] for name in arm.withhold]
    return {"rate": rate, "partners": arm.partners, "confusions": taken, "withhold": withheld}


class Stepper:
    """Model, optimiser and augmentation of a run, and the step that joins them.

    With `precision` fp16 the loss is scaled, so that small gradients are not lost, and a step whose gradients
    overflow is skipped. Saliency is then computed in float32.

    Args:
        spec: the run.
        model: already on its device.
        num_classes: K.
        mean, std: how the images were normalised, one fraction per channel.
        classes: names of the classes, for an arm that treats some of them differently.
    """

    def __init__(
        self,
        spec: RunSpec,
        model: nn.Module,
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        classes: Sequence[str] = (),
    ) -> None:
        train, arm = spec.train, spec.arm
        self.spec, self.model, self.num_classes = spec, model, num_classes
        self.loss = LOSSES[train.loss]
        self.smoothing = train.label_smoothing
        # PuzzleMix's official code scales its clean loss, cross-entropy, to a loss that is a mean over B x K.
        self.clean_scale = 2 / num_classes if train.loss == "bce-of-softmax" else 1.0
        self.class_weights: Tensor | None = None
        self.device_type = next(model.parameters()).device.type
        self.half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(train.precision)
        self.scaler = torch.amp.GradScaler(self.device_type, enabled=self.half == torch.float16)
        self.optimizer = make_optimizer(model, train)
        self.average = Average(model, train.ema) if train.ema else None
        kind, taught = map_kind(arm.method), network_option(arm.method)
        attended = arm.method == "transmix"
        if attended:
            check_class_token(model)
        if train.micro_batch and (is_of_hidden(arm.method) or kind or attended or taught):
            raise ValueError(
                f"train.micro_batch: expected a method without a second pass or hidden states, got {arm.method}. "
                "Leave micro_batch out, or lower train.batch."
            )
        weighed = "train.balance=weights" if train.balance == "weights" else arm.method if kind == "class" else ""
        if weighed and train.loss == "bce-of-softmax":
            raise ValueError(
                f"train.loss: expected cross-entropy with {weighed}, which makes label shares above 1, got "
                "bce-of-softmax. Set train.loss=cross-entropy."
            )
        self.augment = DropMix(
            arm.method,
            num_classes=num_classes,
            unit=arm.unit,
            per=arm.per,
            seed=spec.seed,  # of what learns; each draw is given its own generators
            mean=mean,
            std=std,
            **by_class(arm, classes),
            **(arm.options | dict[str, Any]({taught: model} if taught else {})),
        )
        self.trained: nn.Module = model  # called by the training pass; may wrap the model to exchange gradients
        # It runs under the trainer's autocast, as in every run so far.
        if getattr(model, "reads_tokens", False):
            self.gradient = token_gradient(model, hidden_modules(model)[0])
        else:
            scale = self.scaler.get_scale if self.scaler.is_enabled() else 1.0
            self.gradient = MAPS[kind](model) if kind in MAPS else input_gradient(model, scale=scale, autocast=True)
        # Dropout draws from the global generator, whose state differs after a resume, so each step seeds it.
        # Foreign networks may draw by functions, which no list of modules shows.
        drops = any(isinstance(module, nn.modules.dropout._DropoutNd) for module in model.modules())
        self.noisy = drops or spec.network == "efficientnet-lite0" or is_foreign(spec.network)
        self.noise = 0
        # Where Manifold Mixup may mix: the images, then the state after each stage except the last.
        self.places = [model, *hidden_modules(model)[1:]] if hasattr(model, "stages") else [model]

    @property
    def lr(self) -> float:
        """Learning rate of every parameter whose factor is 1."""
        return self.optimizer.param_groups[0]["lr"]

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of every parameter."""
        set_lr(self.optimizer, lr)

    def train_mode(self) -> None:
        """Set training mode as the spec asks."""
        set_training(self.spec.train, self.model)

    @property
    def evaluated(self) -> nn.Module:
        """The model that predicts: the averaged one if there is one, else the trained one."""
        return self.model if self.average is None else self.average.model

    def step(self, x: Tensor, y: Tensor, epoch: int, step: int) -> Tensor:
        """Mix, predict, and update the weights.

        Args:
            x: normalised images, (B, C, H, W).
            y: class ids, (B,), int64.
            epoch, step: place in the run, which fixes all draws.
        Returns:
            The loss, a scalar on the device, without gradient.
        """
        self.optimizer.zero_grad(set_to_none=True)
        mix = self.draw(x, y, epoch, step)
        return self.update(*self.mix(x, y, mix), mix)

    def draw(self, x: Tensor, y: Tensor, epoch: int, step: int, saliency: Callable[..., Tensor] | None = None) -> Mix:
        """Draw the record for a batch, on the host except for the saliency pass. Arguments as for `step`.

        Call zero_grad first: the saliency pass accumulates gradients of a clean loss.

        Args:
            saliency: replaces `self.saliency`.
        """
        seed = self.spec.seed
        self.noise = stream(seed, "noise", epoch, step).initial_seed() if self.noisy else 0
        mix = self.augment.draw(
            x,
            y,
            saliency=saliency or self.saliency,
            generator=stream(seed, "mix", epoch, step),
            drop_generator=stream(seed, "drop", epoch, step),
            epoch=(epoch, self.spec.train.epochs),
        )
        return mix if self.device_type == "cpu" else pin(mix)

    def mix(self, x: Tensor, y: Tensor, mix: Mix) -> tuple[Tensor, Tensor]:
        """Return the inputs of `update`: images, mixed unless a hidden layer will be, and label shares, (B, K)."""
        return mix_images(x, mix) if mix.layer is None else x, self.shares(y, mix)

    def shares(self, y: Tensor, mix: Mix) -> Tensor:
        """Return mixed and smoothed label shares, (B, K)."""
        # Labels that wait for the network's attention are mixed after its pass: see `backward`.
        known = mix.attended is None
        shares = mix_labels(y, mix, self.num_classes) if known else label_shares(y, self.num_classes)
        if self.smoothing:
            shares = shares * (1 - self.smoothing) + self.smoothing / self.num_classes
        return shares

    def update(self, x: Tensor, shares: Tensor, mix: Mix) -> Tensor:
        """Forward, loss, backward and optimiser, all on the device; returns the loss as `step` does."""
        micro = self.spec.train.micro_batch
        loss = self.backward(x, shares, mix) if micro is None else self._in_parts(x, shares, micro)
        self.apply_gradient()
        return loss

    def apply_gradient(self) -> None:
        """Update the weights and their average, unless the gradient of a scaled loss is not finite."""
        if self.spec.train.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.spec.train.clip)
        before = self.scaler.get_scale() if self.average is not None else 1.0
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None and self.scaler.get_scale() >= before:  # falls where the step was skipped
            self.average.update()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of the training."""
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        if self.average is not None:
            state["average"] = self.average.state_dict()
        if self.augment.depends_on_the_past:
            state["mixing"] = dict(self.augment.state_dict())
        if self.scaler.is_enabled():
            state["scaler"] = self.scaler.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.augment.depends_on_the_past:
            self.augment.load_state_dict(state["mixing"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state["scaler"])

    def _in_parts(self, x: Tensor, shares: Tensor, most: int) -> Tensor:
        loss = torch.zeros((), device=x.device)
        for place in batch_slices(len(x), most):
            weight = (place.stop - place.start) / len(x)
            identity = Mix.identity(place.stop - place.start)
            loss = loss + weight * self.backward(x[place], shares[place], identity, weight)
            self.noise += 1  # each part has its own dropout
        return loss

    def backward(self, x: Tensor, shares: Tensor, mix: Mix, weight: float = 1.0) -> Tensor:
        """Add the gradient of `weight` times the loss to that of the weights; returns the loss as `step` does."""
        watch = nullcontext() if mix.attended is None else class_attention(self.model)
        with mix_hidden(self.places, mix), self._own_noise(), self._autocast(), watch as seen:
            logits = logits_of(self.trained(x))
        if seen is not None:
            shares = mix_labels(shares, mix.with_attention(seen.map, x.shape[2:]))
        loss = self.loss(logits, shares if self.class_weights is None else shares * self.class_weights)
        self.scaler.scale(loss if weight == 1 else loss * weight).backward()
        return loss.detach()

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Return logits (B, K), float32, in eval mode; the caller sets the mode."""
        with self._autocast():
            return logits_of(self.evaluated(x)).float()

    def saliency(self, x: Tensor, y: Tensor, *, signed: bool = False, clean: float = 0.0) -> Tensor:
        """Input gradient as `input_gradient` returns it, with the clean loss scaled to the training loss."""
        with self._own_noise(), nullcontext() if self.half == torch.float16 else self._autocast():
            return self.gradient(x, y, signed=signed, clean=clean * self.clean_scale)

    @contextmanager
    def _own_noise(self) -> Iterator[None]:
        if not self.noisy:
            yield
            return
        with torch.random.fork_rng(devices=[] if self.device_type == "cpu" else None):
            torch.manual_seed(self.noise)
            yield

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device_type, self.half or torch.bfloat16, enabled=self.half is not None)
