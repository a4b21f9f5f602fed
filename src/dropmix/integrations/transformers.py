"""Hugging Face's Trainer with DropMix: evaluation stays unmixed, and label shares are read correctly."""

from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn import functional as F

from dropmix.msda.batches import find_keys
from dropmix.msda.dropmix import DropMix, Saliency
from dropmix.msda.saliency import input_gradient, logits_of


class MixTrainer(transformers.Trainer):
    """A `transformers.Trainer` that mixes training batches but not evaluation.

    Draws are functions of the Trainer's own step, so a resumed training continues unchanged. The loss is cross-entropy
    over all images of an optimiser step: 1 and 4 accumulation steps give the same gradient. `label_smoothing_factor`
    of the arguments applies to mixed labels too.

    Args:
        args, kwargs: as for `transformers.Trainer`, except `compute_loss_func`.
        augment: with a seed. Batches hold images and class ids under their usual names, e.g. pixel_values and labels.
        saliency: for methods that need it; None takes the gradient of the model.
    Raises:
        ValueError: augment has no seed.
    Example:
        >>> from dropmix import DropMix
        >>> trainer = MixTrainer(model, arguments, train_dataset=train, augment=DropMix(
        ...     "cutmix", rate=0.4, num_classes=10, seed=0))  # doctest: +SKIP
    """

    def __init__(self, *args: Any, augment: DropMix, saliency: Saliency | None = None, **kwargs: Any) -> None:
        if augment.seed is None:
            raise ValueError("MixTrainer: expected an augment with a seed, got none. Say DropMix(..., seed=0).")
        super().__init__(*args, **kwargs, compute_loss_func=self._cross_entropy)
        self.augment = augment
        self._saliency = saliency
        self._place = (-1, 0)  # the optimiser's step, and the batch within it

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """`Trainer.compute_loss`, on a mixed batch if the model is in training mode."""
        if model.training:
            _, labels, _ = find_keys(inputs)
            if inputs[labels].ndim == 2 and num_items_in_batch is not None:  # the Trainer has counted every share
                num_items_in_batch = num_items_in_batch / inputs[labels].shape[1]
            saliency = self._saliency or input_gradient(model, scale=self._share(inputs[labels], num_items_in_batch))
            inputs = self.augment.train()(inputs, saliency=saliency, step=self._next_step())
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def _share(self, labels: Tensor, num_items_in_batch: Tensor | int | None) -> float:
        """Factor on a batch's training loss in the backward pass; PuzzleMix's clean loss takes the same factor."""
        steps = self.args.gradient_accumulation_steps
        share = 1 / steps if num_items_in_batch is None else len(labels) / float(num_items_in_batch)
        scaler = self.accelerator.scaler
        return share if scaler is None else share * scaler.get_scale()

    def _next_step(self) -> int:
        step, batch = self.state.global_step, self._place[1]
        self._place = (step, batch + 1 if self._place[0] == step else 0)
        return step * self.args.gradient_accumulation_steps + self._place[1]

    def _cross_entropy(self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        logits = logits_of(outputs).float()
        smoothing = self.args.label_smoothing_factor if self.model is not None and self.model.training else 0.0
        total = F.cross_entropy(logits, labels, reduction="sum", label_smoothing=smoothing)
        if num_items_in_batch is None:
            return total / len(logits)
        return total / torch.as_tensor(num_items_in_batch, device=total.device)
