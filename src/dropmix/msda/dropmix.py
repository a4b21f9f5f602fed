"""DropMix. Lee, Lee & Kim, "The Effects of Mixed Sample Data Augmentation are Class Dependent", arXiv 2307.09136."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from dropmix.msda.batches import check_given, find_keys, replaced, typed, untyped
from dropmix.msda.binding import Draw, Method, Saliency, bind_all, mixer_for, name_of
from dropmix.msda.draw import Per
from dropmix.msda.history import Remembering, left_by
from dropmix.msda.labels import mix_labels
from dropmix.msda.mix import Mix, mix_images
from dropmix.msda.partners import Confusions, Partners, Policy
from dropmix.msda.rates import Rate, Unit, check_rate, classes_of, mixed_rows
from dropmix.msda.saliency import channels_last
from dropmix.msda.targets import is_target


class DropMix(Remembering):
    """Mix a batch by a method, and leave a random share of it unmixed.

        unit "batch":  draw u ~ U[0, 1); mix the batch when u >= rate (Algorithm 1 of the paper)
        unit "sample": the same draw for every sample; partners are drawn among the mixed ones
        unit "count":  exactly round(B rate) samples stay unmixed

    If fewer than two samples are left to mix, none is mixed. A dropped sample keeps its image to the bit, and no
    saliency is computed for it.

    In eval mode a call returns images and labels unchanged. With `mixup_enabled` False nothing is mixed and
    labels still become shares, for the last epochs of a training.

    With `seed` every draw is a function of (seed, rank, DataLoader worker, step). Ranks, workers and epochs get
    different draws, a rerun gets the same ones, and modules that share a seed draw the same mix whatever their rates.
    The step is the one that a call gives, or the module's own count of calls in training mode, which `state_dict()`
    carries.

    A DataLoader worker works on a copy. Set `rate`, `mixup_enabled` and the mode before the workers start: with
    `persistent_workers`, a later change raises a RuntimeError in the worker.

    Sequences (B, C, L) get spans and volumes or clips (B, C, T, H, W) cuboids where images get boxes. Segmentation
    masks or boxes as labels are mixed along, see `Mix.targets`.

    Args:
        method: a name in `METHODS`, a drawing function like `dropmix.msda.methods.mixup.mixup`, or several of these
            with weights, e.g. {"mixup": 0.5, "cutmix": 0.5}: one is drawn per batch. A function with an argument
            `saliency` is given a function of its images; one with an argument `y` their labels, `epoch` that of `draw`,
            `history` the batch before, `mixer` what it has learned.
        rate: probability that a batch or sample is not mixed, in [0, 1]. 0 is the plain method, 1 is vanilla. With unit
            "sample" or "count" also a rate per class: (K,), or a mapping from class ids, where missing classes have
            rate 0. A sample then stays unmixed at its own class's rate. Equal rates draw the same bits as one number.
        num_classes: K; needed when labels come as class ids.
        unit: what is dropped: "batch" | "sample" | "count".
        per: one lam (and box) per "batch", as published, or one per "sample".
        seed: makes every draw a function of (seed, rank, worker, step), see above.
        generator: CPU generator, the only source of randomness, instead of a seed. Without either, torch's global one.
            Refused in DataLoader workers, which would all draw the same.
        mean, std: how the images were normalised, one value per channel; for methods that look at pixels in [0, 1].
        partners: classes that a sample's partner may be of: "any" | "other" than its own | "avoid" the class that its
            own is most often mistaken for | "only" that class. If the batch holds no such image, the sample stays
            unmixed.
        confusions: for "avoid" and "only": the class that each class is most often mistaken for, (K,), or a mapping.
        withhold: classes whose images are never used as partners. A sample that draws one stays unmixed.
        channels: "first", (B, C, ...), or "last", (B, L, D) or (B, H, W, C).
        options: further arguments of the method, e.g. alpha=0.2; with several methods, a dict for each by its name,
            e.g. mixup={"alpha": 0.8}.
    Raises:
        ValueError: rate outside [0, 1], an unknown method, unit or option, both seed and generator.
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
        rate: Rate = 0.0,
        *,
        num_classes: int | None = None,
        unit: Unit = "batch",
        per: Per = "batch",
        seed: int | None = None,
        generator: Generator | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        partners: Policy = "any",
        confusions: Confusions | None = None,
        withhold: Iterable[int] = (),
        channels: Literal["first", "last"] = "first",
        **options: Any,
    ) -> None:
        super().__init__(seed, generator)
        if unit not in ("batch", "sample", "count"):
            raise ValueError(f"DropMix: expected unit 'batch', 'sample' or 'count', got {unit!r}. See its docstring.")
        self._rate, self._enabled = check_rate(rate, unit, num_classes), True
        self.num_classes = num_classes
        self.unit: Unit = unit
        self.per: Per = per
        if channels not in ("first", "last"):
            raise ValueError(f"DropMix: expected channels 'first' or 'last', got {channels!r}.")
        self.channels = channels
        withhold = tuple(withhold)
        chosen = partners != "any" or withhold or confusions is not None
        self.partners = Partners(partners, confusions, withhold, num_classes) if chosen else None
        self.publish()
        self.methods = method if isinstance(method, Mapping) else {method: 1.0}
        self._draws = bind_all(method, options, {"per": per, "mean": mean, "std": std})
        self.remembers = any(draw.wants_history for draw in self._draws)
        self.mixer = mixer_for(self._draws, seed)
        if chosen:
            self.refuse_of_classes("a policy for partners of this batch", self._names())
        self.rate = self._rate
        self._weights = torch.tensor(list(self.methods.values()), dtype=torch.float64, device="cpu")
        if not (len(self._weights) and bool(((self._weights > 0) & self._weights.isfinite()).all())):
            raise ValueError(
                f"DropMix: expected finite weights > 0, got {dict(self.methods)}. Leave out unwanted methods."
            )

    @property
    def rate(self) -> float | Tensor:
        """Probability that a batch or sample is not mixed; per class, (K,), where classes differ."""
        return self._rate

    @rate.setter
    def rate(self, rate: Rate) -> None:
        self._rate = check_rate(rate, self.unit, self.num_classes)
        if isinstance(self._rate, Tensor):
            self.refuse_of_classes("a rate per class", self._names())
        self.publish()

    @property
    def mixup_enabled(self) -> bool:
        """Whether anything is mixed; labels become shares in either case."""
        return self._enabled

    @mixup_enabled.setter
    def mixup_enabled(self, enabled: bool) -> None:
        self._enabled = bool(enabled)
        self.publish()

    def train(self, mode: bool = True) -> "DropMix":
        """Set training mode, or eval mode with False."""
        super().train(mode)
        self.publish()
        return self

    def forward(
        self,
        x: Any,
        y: Any = None,
        *,
        saliency: Saliency | None = None,
        generator: Generator | None = None,
        drop_generator: Generator | None = None,
        epoch: tuple[int, int] | None = None,
        step: int | None = None,
        out: Tensor | None = None,
    ) -> Any:
        """Return mixed images and label shares.

        Args:
            x: images, (B, C, H, W), or sequences or volumes; or a batch as a dict, whose images, labels and masks are
                found by their usual names (see `dropmix.msda.batches`), without y.
            y: class ids, (B,), int64, or label shares, (B, K), float; or masks, (B, H, W) or (B, K, H, W), or one dict
                with boxes per image, see `Mix.targets`.
            saliency: for methods that need it: called as saliency(x, y) -> (b, H, W) with the b samples to mix, and
                with any further arguments that the method needs (see `input_gradient`).
            generator: overrides the module's seed or generator for this call.
            drop_generator: source of the drop draws; None uses `generator`.
            epoch: (epoch counted from 0, epochs in all), for methods with a schedule; None is an epoch that mixes.
            step: number of the step over the whole training, with `seed`; None counts calls.
            out: where to write the images, like x.
        Returns:
            Images like x (x itself when nothing is mixed and `out` is None) and label shares (B, K), float32. In eval
            mode x and y themselves. Masks and boxes as `Mix.targets` gives them. For a dict, a copy of it with these in
            place of its images, labels and masks.
        Raises:
            ValueError: the method mixes hidden states, which only `draw` and `mix_hidden` can do.
            RuntimeError: a DataLoader worker with a generator, or with settings that have changed since it started.
        """
        draws = {"saliency": saliency, "generator": generator, "drop_generator": drop_generator, "epoch": epoch}
        if torch.compiler.is_compiling():
            return _uncompiled_call(self, x, y, draws | {"step": step}, out)
        return self._call(x, y, draws | {"step": step}, out)

    def _call(self, x: Any, y: Any, draws: dict[str, Any], out: Tensor | None) -> Any:
        if isinstance(x, Mapping):
            images, labels, masks = find_keys(x)
            mixed, targets, mix = self._mixed(x[images], x[labels], draws, out)
            more = {key: x[key] if mix is None else mix.targets(x[key]) for key in masks}
            return replaced(x, {images: mixed, labels: targets, **more})
        return self._mixed(x, y, draws, out)[:2]

    def _mixed(self, x: Any, y: Any, draws: dict[str, Any], out: Tensor | None) -> tuple[Any, Any, Mix | None]:
        """Images and labels, and the record, None in eval mode."""
        if not self.training:
            self.check_worker()  # else `draw` does
            return (x if out is None else out.copy_(x)), y, None
        check_given(x, y, with_labels=True)
        plain = untyped(x)
        mix = self.draw(plain, y, **draws)
        if mix.layer is not None:
            raise ValueError(
                f"DropMix: expected a method that mixes images, got {self._names()}, which mixes hidden states. "
                "Use draw, mix_labels and mix_hidden: see docs/methods/manifoldmix.md."
            )
        first = self.channels == "first"
        plain = plain if first else plain.movedim(-1, 1)
        into = out if first or out is None else out.movedim(-1, 1)
        mixed = plain if mix.is_identity and out is None else mix_images(plain, mix, out=into)
        one_label = isinstance(y, Tensor) and y.ndim == 1
        labels = mix_labels(y, mix, self.num_classes) if one_label or not is_target(y, plain) else mix.targets(y)
        if mixed is plain or out is not None:
            return (x if out is None else out), labels, mix
        return typed(mixed if first else mixed.movedim(1, -1), x), labels, mix

    def draw(
        self,
        x: Tensor,
        y: Tensor,
        *,
        saliency: Saliency | None = None,
        generator: Generator | None = None,
        drop_generator: Generator | None = None,
        epoch: tuple[int, int] | None = None,
        step: int | None = None,
    ) -> Mix:
        """Draw the record for a batch, without applying it. Arguments as in `forward`.

        With channels="last" the record is for `x.movedim(-1, 1)`.
        """
        if torch.compiler.is_compiling():
            given = {"saliency": saliency, "generator": generator, "drop_generator": drop_generator}
            return _uncompiled_draw(self, x, y, given | {"epoch": epoch, "step": step})
        check_given(x, y)
        generator, dropping = self.sources(generator, drop_generator, step)
        count = x.shape[0]
        if y is not None and (y.shape[0] if isinstance(y, Tensor) else len(y)) != count:
            raise ValueError(
                f"DropMix: expected labels of the {count} samples of x, got {len(y)}. "
                "Give one label per sample; a single image needs a batch axis, x[None]."
            )
        rows = self._mixed_rows(count, dropping, y) if count > 1 else None
        if self.channels == "last":
            x, saliency = x.movedim(-1, 1), None if saliency is None else channels_last(saliency)
        mix = Mix.identity(count) if rows is None else self._draw_rows(rows, x, y, saliency, generator, epoch)
        if self.remembers and self.training and self._enabled:
            self.history = left_by(x, y, mix, self.num_classes)
        return mix

    def _draw_rows(self, rows: Any, x: Tensor, y: Any, saliency: Saliency | None, generator: Any, epoch: Any) -> Mix:
        method = self._pick(generator)
        if isinstance(rows, slice):
            return self._drawn(method, x, y, saliency, generator, epoch)
        # A method that reads no pixels is given a view of the right shape, so nothing is copied.
        part = x[: len(rows)] if method.shape_only else x.detach()[rows.to(x.device, non_blocking=True)]
        labels = y[rows.to(y.device, non_blocking=True)] if isinstance(y, Tensor) else [y[i] for i in rows.tolist()]
        return self._drawn(method, part, labels, saliency, generator, epoch).embed(rows, len(x))

    def _drawn(self, method: Draw, x: Tensor, y: Any, saliency: Saliency | None, generator: Any, epoch: Any) -> Mix:
        if self.partners is None:
            return method(x, y, saliency, generator, epoch, self.history, self.mixer)
        ids = classes_of(y, len(self.partners.table))
        with self.partners.drawing(ids):
            mix = method(x, y, saliency, generator, epoch, mixer=self.mixer)
        return mix.only(self.partners.fits(ids, mix))

    def settings(self) -> tuple[float, ...]:
        """Rate, switch and mode, which a worker's copy must share with the main process."""
        rate = 2.0 + zlib.crc32(self._rate.numpy().tobytes()) if isinstance(self._rate, Tensor) else self._rate
        return rate, float(self._enabled), float(self.training)

    def _mixed_rows(self, batch_size: int, generator: Generator | None, y: Tensor | None = None) -> Any:
        if not (self.training and self._enabled):
            return None
        return mixed_rows(batch_size, self._rate, self.unit, generator, y)

    def _pick(self, generator: Generator | None) -> Draw:
        if len(self._draws) == 1:
            return self._draws[0]
        return self._draws[int(torch.multinomial(self._weights, 1, generator=generator))]

    def _names(self, between: str = ", ") -> str:
        return between.join(map(name_of, self.methods))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self._names(' | ')}, rate={self.rate}, unit={self.unit}, per={self.per}"


# A compiler that traced the drawing would break its graph at every draw. A decorator would import the compiler.
_uncompiled_call = torch._disable_dynamo(lambda module, *call: module._call(*call))  # pyright: ignore
_uncompiled_draw = torch._disable_dynamo(lambda module, x, y, given: module.draw(x, y, **given))  # pyright: ignore
