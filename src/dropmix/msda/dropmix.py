"""DropMix. Lee, Lee & Kim, "The Effects of Mixed Sample Data Augmentation are Class Dependent", arXiv 2307.09136."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.utils.data import get_worker_info

from dropmix.msda.batches import find_keys, replaced, typed, untyped
from dropmix.msda.binding import Draw, Method, Saliency, bind, name_of
from dropmix.msda.draw import Per
from dropmix.msda.mix import Mix, apply_mix
from dropmix.msda.rates import Rate, Unit, check_rate, mixed_rows
from dropmix.msda.streams import Board, stream


class DropMix(nn.Module):
    """Mix a batch by a method, and leave a random share of it unmixed.

        unit "batch":  draw u ~ U[0, 1); mix the batch when u >= rate (Algorithm 1 of the paper)
        unit "sample": the same draw for every sample; partners are drawn among the mixed ones
        unit "count":  exactly round(B rate) samples stay unmixed

    Fewer than two samples left to mix: none is mixed. A dropped sample keeps its image to the bit, and no saliency is
    computed for it.

    In eval mode a call returns images and labels as they were given. With `mixup_enabled` False nothing is mixed and
    labels still become shares, for the last epochs of a training.

    With `seed` every draw is a function of (seed, rank, DataLoader worker, step). Ranks, workers and epochs differ, a
    rerun repeats, and modules that share a seed draw the same mix whatever their rates. The step is the one that a
    call gives, or the module's own count of calls in training mode, which `state_dict()` carries.

    A DataLoader worker works on a copy. Set `rate`, `mixup_enabled` and the mode before the workers start: with
    `persistent_workers`, a later change raises a RuntimeError in the worker.

    Args:
        method: a name in `METHODS`, a drawing function like `dropmix.msda.methods.mixup.mixup`, or several of these
            with weights, e.g. {"mixup": 0.5, "cutmix": 0.5}: one is drawn per batch. A function with an argument
            `saliency` is given a function of its images, one with an argument `epoch` what `draw` was given.
        rate: probability that a batch or sample is not mixed, in [0, 1]. 0 is the plain method, 1 is vanilla. With unit
            "sample" or "count" also a rate per class, (K,), or a mapping from class ids, the others having rate 0: a
            sample stays unmixed with its own class's rate. Equal rates draw the same bits as the number.
        num_classes: K; needed when labels come as class ids.
        unit: what is dropped: "batch" | "sample" | "count".
        per: one lam (and box) per "batch", as published, or one per "sample".
        seed: makes every draw a function of (seed, rank, worker, step), see above.
        generator: CPU generator, the only source of randomness, instead of a seed. Without either, torch's global one.
            Refused in DataLoader workers, which would all draw the same.
        mean, std: how the images were normalised, one value per channel; for methods that look at pixels in [0, 1].
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
        **options: Any,
    ) -> None:
        super().__init__()
        if unit not in ("batch", "sample", "count"):
            raise ValueError(f"DropMix: expected unit 'batch', 'sample' or 'count', got {unit!r}. See its docstring.")
        if seed is not None and generator is not None:
            raise ValueError("DropMix: expected seed or generator, got both. Leave out the generator.")
        self._board = Board()
        self._rate, self._enabled = check_rate(rate, unit, num_classes), True
        self.num_classes = num_classes
        self.unit: Unit = unit
        self.per: Per = per
        self.seed = seed
        self.generator = generator
        self._publish()
        self.methods = method if isinstance(method, Mapping) else {method: 1.0}
        several = isinstance(method, Mapping)
        shared = {"per": per, "mean": mean, "std": std}
        self._draws = [bind(m, options.pop(name_of(m), {}) if several else options, shared) for m in self.methods]
        if several and options:
            raise ValueError(
                f"DropMix: expected options by method ({self._names()}), got {sorted(options)}. "
                'Give e.g. mixup={"alpha": 0.8}.'
            )
        self._weights = torch.tensor(list(self.methods.values()), dtype=torch.float64, device="cpu")
        if not (len(self._weights) and bool(((self._weights > 0) & self._weights.isfinite()).all())):
            raise ValueError(
                f"DropMix: expected finite weights > 0, got {dict(self.methods)}. Leave out what is not wanted."
            )

    @property
    def rate(self) -> float | Tensor:
        """Probability that a batch or sample is not mixed; per class, (K,), where classes differ."""
        return self._rate

    @rate.setter
    def rate(self, rate: Rate) -> None:
        self._rate = check_rate(rate, self.unit, self.num_classes)
        self._publish()

    @property
    def mixup_enabled(self) -> bool:
        """Whether anything is mixed at all; labels become shares all the same."""
        return self._enabled

    @mixup_enabled.setter
    def mixup_enabled(self, enabled: bool) -> None:
        self._enabled = bool(enabled)
        self._publish()

    def train(self, mode: bool = True) -> "DropMix":
        """Set training mode, or eval mode with False."""
        super().train(mode)
        self._publish()
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
            x: images, (B, C, H, W); or a batch as a dict, whose images and labels are found by their usual names
                (see `dropmix.msda.batches`), without y.
            y: class ids, (B,), int64, or label shares, (B, K), float.
            saliency: for methods that need it: called as saliency(x, y) -> (b, H, W) with the b samples to mix, and
                with what a method asks for besides (see `input_gradient`).
            generator: overrides the module's seed or generator for this call.
            drop_generator: source of the drop draws; None uses `generator`.
            epoch: (epoch counted from 0, epochs in all), for methods with a schedule; None is an epoch that mixes.
            step: number of the step over the whole training, with `seed`; None counts calls.
            out: where to write the images, like x.
        Returns:
            Images like x (x itself when nothing is mixed and `out` is None) and label shares (B, K), float32. In eval
            mode x and y themselves. For a dict, a copy of it with these in place of its images and labels.
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
            images, labels = find_keys(x)
            return replaced(x, dict(zip((images, labels), self._call(x[images], x[labels], draws, out))))
        self._check_worker()
        if not self.training:
            return (x if out is None else out.copy_(x)), y
        plain = untyped(x)
        mix = self.draw(plain, y, **draws)
        if mix.layer is not None:
            raise ValueError(
                f"DropMix: expected a method that mixes images, got {self._names()}, which mixes hidden states. "
                "Use draw, mix_labels and mix_hidden: see docs/methods/manifoldmix.md."
            )
        mixed, shares = apply_mix(plain, y, mix, num_classes=self.num_classes, out=out)
        return x if mixed is plain else typed(mixed, x), shares

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
        """Draw what to do to a batch, without doing it. Arguments as in `forward`."""
        if torch.compiler.is_compiling():
            given = {"saliency": saliency, "generator": generator, "drop_generator": drop_generator}
            return _uncompiled_draw(self, x, y, given | {"epoch": epoch, "step": step})
        generator, dropping = self._generators(generator, drop_generator, step)
        rows = self._mixed_rows(len(x), dropping, y) if len(x) > 1 else None
        if rows is None:
            return Mix.identity(len(x))
        method = self._pick(generator)
        if isinstance(rows, slice):
            return method(x, y, saliency, generator, epoch)
        # A method that looks at no pixel is given a view of the right shape: nothing is copied.
        part = x[: len(rows)] if method.shape_only else x.detach()[rows.to(x.device, non_blocking=True)]
        labels = y[rows.to(y.device, non_blocking=True)]
        return method(part, labels, saliency, generator, epoch).embed(rows, len(x))

    def _generators(
        self, generator: Generator | None, dropping: Generator | None, step: int | None
    ) -> tuple[Generator | None, Generator | None]:
        """Sources of the mix and of the drops; with a seed, a stream each, so that mixes do not depend on the rate."""
        self._check_worker()
        if self.seed is None and step is not None:
            raise ValueError(f"DropMix: expected seed= for draws by step, got step={step} alone. Give DropMix a seed.")
        if generator is not None:
            return generator, generator if dropping is None else dropping
        if self.seed is not None:
            if not self.training:
                return None, dropping  # nothing is drawn, and no call is counted
            place = self._board.next_place(step)
            return stream(self.seed, "mix", *place), stream(self.seed, "drop", *place) if dropping is None else dropping
        if self.generator is not None and get_worker_info() is not None:
            raise RuntimeError(
                "DropMix: expected seed= in a DataLoader worker, got generator=, whose copies draw the same in every "
                "worker and epoch. Give DropMix seed=0 instead."
            )
        return self.generator, self.generator if dropping is None else dropping

    def _check_worker(self) -> None:
        if get_worker_info() is not None and not self._board.is_current(*self._settings()):
            raise RuntimeError(
                "DropMix: expected the settings that this DataLoader worker started with, got rate, mixup_enabled or "
                "train/eval changed since. Start new workers (persistent_workers=False), or mix in the main process."
            )

    def _settings(self) -> tuple[float, ...]:
        rate = 2.0 + zlib.crc32(self._rate.numpy().tobytes()) if isinstance(self._rate, Tensor) else self._rate
        return rate, float(self._enabled), float(self.training)

    def _publish(self) -> None:
        self._board.publish(*self._settings())

    def get_extra_state(self) -> Tensor:
        """For `state_dict`: the generator's state, or the number of calls by the main process and each worker."""
        return self._board.calls if self.generator is None else self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Go on from a state: see `get_extra_state`."""
        if (state.dtype == torch.uint8) != (self.generator is not None):
            own, other = ("generator", "seed") if self.generator is not None else ("seed", "generator")
            raise ValueError(
                f"DropMix: expected the state of a module with a {own}, got that of one with a {other}. "
                f"Make this one with the {other} too."
            )
        if self.generator is None:
            self._board.calls = state
        else:
            self.generator.set_state(state.cpu())

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


# A compiler that traced the drawing would break its graph at every draw. Decorators would import the compiler at once.
_uncompiled_call = torch._disable_dynamo(lambda module, *call: module._call(*call))  # pyright: ignore
_uncompiled_draw = torch._disable_dynamo(lambda module, x, y, given: module.draw(x, y, **given))  # pyright: ignore
