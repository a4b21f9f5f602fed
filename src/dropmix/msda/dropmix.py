"""DropMix. Lee, Lee & Kim, "The Effects of Mixed Sample Data Augmentation are Class Dependent", arXiv 2307.09136."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn

from dropmix.msda import get_method
from dropmix.msda.draw import Per, draw_partner, uniform
from dropmix.msda.mix import Mix, apply_mix

Unit = Literal["batch", "sample", "count"]
Saliency = Callable[..., Tensor]
Method = str | Callable[..., Mix]
_ALL = slice(None)


class DropMix(nn.Module):
    """Mix a batch by a method, and leave a random share of it unmixed.

        unit "batch":  draw u ~ U[0, 1); mix the batch when u >= rate (Algorithm 1 of the paper)
        unit "sample": the same draw for every sample; partners are drawn among the mixed ones
        unit "count":  exactly round(B rate) samples stay unmixed

    Fewer than two samples left to mix: none is mixed.

    In eval mode, or with `mixup_enabled` False, nothing is mixed. A dropped sample keeps its image to the bit, and no
    saliency is computed for it.

    Args:
        method: a name in `METHODS`, a drawing function like `dropmix.msda.methods.mixup.mixup`, or several of these
            with weights, e.g. {"mixup": 0.5, "cutmix": 0.5}: one is drawn for every batch. A function with an argument
            `saliency` is given a function of its images, one with an argument `epoch` what `draw` was given.
        rate: probability that a batch or sample is not mixed, in [0, 1]. 0 is the plain method, 1 is vanilla.
        num_classes: K; needed when labels come as class ids.
        unit: what is dropped: "batch" | "sample" | "count".
        per: one lam (and box) a "batch", as published, or one a "sample".
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        mean, std: how the images were normalised, a value a channel; for methods that look at pixels in [0, 1].
        options: further arguments of the method, e.g. alpha=0.2; with several methods, a dict for each by its name,
            e.g. mixup={"alpha": 0.8}.
    Raises:
        ValueError: rate outside [0, 1], an unknown method, unit or option.
    Source:
        Lee et al. 2023, Algorithm 1. "count" is the rule of the authors' ImageNet code, without its reordering.
    Example:
        >>> augment = DropMix("cutmix", rate=0.4, num_classes=10)
        >>> x, y = augment(torch.rand(8, 3, 32, 32), torch.arange(8))
        >>> x.shape, y.shape
        (torch.Size([8, 3, 32, 32]), torch.Size([8, 10]))
    """

    def __init__(
        self,
        method: Method | Mapping[Any, float],  # the keys are Methods; Mapping is invariant in them
        rate: float = 0.0,
        *,
        num_classes: int | None = None,
        unit: Unit = "batch",
        per: Per = "batch",
        generator: Generator | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if not 0 <= rate <= 1:
            raise ValueError(f"DropMix: expected rate in [0, 1], got {rate}. It is the share that stays unmixed.")
        if unit not in ("batch", "sample", "count"):
            raise ValueError(f"DropMix: expected unit 'batch', 'sample' or 'count', got {unit!r}. See its docstring.")
        self.rate = float(rate)
        self.num_classes = num_classes
        self.unit: Unit = unit
        self.per: Per = per
        self.generator = generator
        self.mixup_enabled = True
        self.methods = method if isinstance(method, Mapping) else {method: 1.0}
        several = isinstance(method, Mapping)
        shared = {"per": per, "mean": mean, "std": std}
        self._draws = [_bind(m, options.pop(_name(m), {}) if several else options, shared) for m in self.methods]
        if several and options:
            raise ValueError(
                f"DropMix: expected options by method ({', '.join(map(_name, self.methods))}), got {sorted(options)}. "
                'Give e.g. mixup={"alpha": 0.8}.'
            )
        self._weights = torch.tensor(list(self.methods.values()), dtype=torch.float64, device="cpu")
        if not (len(self._weights) and bool(((self._weights > 0) & self._weights.isfinite()).all())):
            raise ValueError(
                f"DropMix: expected finite weights > 0, got {dict(self.methods)}. Leave out what is not wanted."
            )

    def forward(
        self,
        x: Tensor,
        y: Tensor,
        *,
        saliency: Saliency | None = None,
        generator: Generator | None = None,
        drop_generator: Generator | None = None,
        epoch: tuple[int, int] | None = None,
        out: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return mixed images and label shares.

        Args:
            x: images, (B, C, H, W).
            y: class ids, (B,), int64, or label shares, (B, K), float.
            saliency: for methods that need it: called as saliency(x, y) -> (b, H, W) with the b samples to mix, and
                with what a method asks for besides (see `input_gradient`).
            generator: overrides the module's for this call.
            drop_generator: source of the drop draws; None uses `generator`.
            epoch: (epoch counted from 0, epochs in all), for methods with a schedule; None is an epoch that mixes.
            out: where to write the images, like x.
        Returns:
            Images like x (x itself when nothing is mixed and `out` is None) and label shares (B, K), float32.
        Raises:
            ValueError: the method mixes hidden states, which only `draw` and `mix_hidden` can do.
        """
        mix = self.draw(x, y, saliency=saliency, generator=generator, drop_generator=drop_generator, epoch=epoch)
        if mix.layer is not None:
            raise ValueError(
                f"DropMix: expected a method that mixes images, got {', '.join(map(_name, self.methods))}, which mixes "
                "hidden states. Use draw, mix_labels and mix_hidden: see docs/methods/manifoldmix.md."
            )
        return apply_mix(x, y, mix, num_classes=self.num_classes, out=out)

    def draw(
        self,
        x: Tensor,
        y: Tensor,
        *,
        saliency: Saliency | None = None,
        generator: Generator | None = None,
        drop_generator: Generator | None = None,
        epoch: tuple[int, int] | None = None,
    ) -> Mix:
        """Draw what to do to a batch, without doing it. Arguments as in `forward`."""
        generator = self.generator if generator is None else generator
        rows = self._mixed_rows(len(x), generator if drop_generator is None else drop_generator)
        if rows is None:
            return Mix.identity(len(x))
        method = self._pick(generator)
        if isinstance(rows, slice):
            return method(x, y, saliency, generator, epoch)
        # A method that looks at no pixel is given a view of the right shape: nothing is copied.
        part = x[: len(rows)] if method.shape_only else x.detach()[rows.to(x.device, non_blocking=True)]
        labels = y[rows.to(y.device, non_blocking=True)]
        return method(part, labels, saliency, generator, epoch).embed(rows, len(x))

    def _mixed_rows(self, batch_size: int, generator: Generator | None) -> Tensor | slice | None:
        """Positions of the samples to mix, `_ALL`, or None. Rates 0 and 1 draw nothing, so that they are the plain
        method and vanilla under the same generator state."""
        if not (self.training and self.mixup_enabled) or self.rate == 1:
            return None
        if self.rate == 0:
            return _ALL
        if self.unit == "batch":
            return _ALL if uniform(1, generator=generator)[0] >= self.rate else None
        if self.unit == "sample":
            rows = torch.from_numpy((uniform(batch_size, generator=generator) >= self.rate).nonzero()[0])
        else:
            rows = draw_partner(batch_size, generator)[round(batch_size * self.rate) :].sort().values
        if len(rows) < 2:
            return None
        return _ALL if len(rows) == batch_size else rows

    def _pick(self, generator: Generator | None) -> "_Draw":
        if len(self._draws) == 1:
            return self._draws[0]
        return self._draws[int(torch.multinomial(self._weights, 1, generator=generator))]

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{' | '.join(map(_name, self.methods))}, rate={self.rate}, unit={self.unit}, per={self.per}"


class _Draw:
    """A method with its options bound; knows what else the method's signature asks for."""

    def __init__(self, name: str, function: Callable[..., Mix], options: dict[str, Any]) -> None:
        parameters = inspect.signature(function).parameters
        self.name, self.function, self.options = name, function, options
        self.bound = partial(function, **options)
        self.wants_saliency = "saliency" in parameters
        self.wants_epoch = "epoch" in parameters
        self.shape_only = getattr(function, "shape_only", False)

    def __call__(
        self,
        x: Tensor,
        y: Tensor,
        saliency: Saliency | None,
        generator: Generator | None,
        epoch: tuple[int, int] | None,
    ) -> Mix:
        if self.shape_only and not self.wants_epoch:
            return self.bound(x, generator=generator)
        options = self.options | {"epoch": epoch} if self.wants_epoch else self.options
        with torch.no_grad():
            if not self.wants_saliency:
                return self.function(x, generator=generator, **options)
            if saliency is None:
                raise ValueError(
                    f"DropMix: expected saliency=... for method {self.name!r}, got None. "
                    "Pass a function such as input_gradient(model)."
                )
            return self.function(x, partial(_of_images, saliency, y), generator=generator, **options)


def _of_images(saliency: Saliency, y: Tensor, x: Tensor, **asked: Any) -> Tensor:
    return saliency(x, y, **asked)


def _name(method: Method) -> str:
    return method if isinstance(method, str) else method.__name__


def _bind(method: Method, options: dict[str, Any], shared: dict[str, Any]) -> _Draw:
    function = get_method(method) if isinstance(method, str) else method
    name = _name(method)
    known = set(inspect.signature(function).parameters) - {"x", "saliency", "generator", "epoch"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(
            f"DropMix: expected options of {name} ({', '.join(sorted(known))}), got {', '.join(unknown)}. "
            "See the method's docstring."
        )
    given = {key: value for key, value in shared.items() if key in known and value is not None}
    return _Draw(name, function, given | options)
