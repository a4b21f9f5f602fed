"""Which classes may be mixed with which: policies for the partner."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from dropmix.msda.mix import Mix

Policy = Literal["any", "other", "avoid", "only"]
Confusions = Sequence[int] | Mapping[int, int] | Tensor
_allowed: ContextVar[np.ndarray | None] = ContextVar("allowed", default=None)


class Partners:
    """Which classes a class may be mixed with.

        "any"    all classes, its own included, as published
        "other"  all but its own
        "avoid"  all but the class that it is most often taken for
        "only"   that class alone

    Args:
        policy: one of these.
        confusions: for "avoid" and "only": the class that each class is most often taken for, (K,), or a mapping.
        withhold: classes whose images are never used as partners. A sample that draws one stays unmixed.
        num_classes: K.
    Raises:
        ValueError: an unknown policy, or classes that do not fit.
    Example:
        >>> Partners("other", num_classes=2).table.astype(int).tolist()
        [[0, 1], [1, 0]]
    """

    def __init__(
        self,
        policy: Policy = "any",
        confusions: Confusions | None = None,
        withhold: Iterable[int] = (),
        num_classes: int | None = None,
    ) -> None:
        if policy not in ("any", "other", "avoid", "only"):
            raise ValueError(f"DropMix: expected partners 'any', 'other', 'avoid' or 'only', got {policy!r}.")
        if num_classes is None:
            raise ValueError(
                f"DropMix: expected num_classes with partners={policy!r}, got None. Give the number of classes."
            )
        withheld = [_class_id("withhold", label, num_classes) for label in withhold]
        self.table = np.ones((num_classes, num_classes), dtype=bool)
        if policy == "other":
            np.fill_diagonal(self.table, False)
        elif policy in ("avoid", "only"):
            taken = _confusions(policy, confusions, num_classes)
            chosen = np.zeros_like(self.table)
            chosen[list(taken), list(taken.values())] = True
            self.table = chosen if policy == "only" else ~chosen
        if confusions is not None and policy in ("any", "other"):
            raise ValueError(f"DropMix: expected partners='avoid' or 'only' with confusions, got {policy!r}.")
        self.wanted = self.table.copy()
        self.table[:, withheld] = False

    @contextmanager
    def drawing(self, ids: np.ndarray) -> Iterator[None]:
        """Within the context, `draw_partner` draws for samples of these classes."""
        before = _allowed.set(None if self.wanted.all() else self.wanted[ids][:, ids])
        try:
            yield
        finally:
            _allowed.reset(before)

    def fits(self, ids: np.ndarray, mix: "Mix") -> Tensor:
        """Whether each sample may be mixed with its partner, or with all that it has, (B,), bool."""
        allowed = self.table[ids, ids[mix.partner.cpu().numpy()]]
        layer: Mix | None = mix
        while mix.below is not None and layer is not None:  # of several partners a sample may do without some
            fitting_here = self.table[ids, ids[layer.partner.cpu().numpy()]] | (layer.lam == 1).cpu().numpy()
            allowed = fitting_here if layer is mix else allowed & fitting_here
            layer = layer.below
        return torch.from_numpy(allowed)


def fitting(partner: Tensor) -> Tensor:
    """Return drawn partners, (B,), each replaced by the next one in the drawn order that the policy allows.

    The order is random, so that all allowed samples of the batch are equally likely, and nothing more is drawn: arms
    that share a seed keep their shares and boxes. A sample without any allowed partner keeps the drawn one.
    """
    allowed = _allowed.get()
    if allowed is None or len(allowed) != len(partner):
        return partner
    order, rows = partner.numpy(), np.arange(len(allowed))
    wrong = rows[~allowed[rows, order]]
    candidates = order[(wrong[:, None] + rows) % len(rows)]
    first = allowed[wrong[:, None], candidates].argmax(1)
    chosen = order.copy()
    chosen[wrong] = candidates[np.arange(len(wrong)), first]
    return torch.from_numpy(chosen)


def _confusions(policy: str, confusions: Confusions | None, num_classes: int) -> dict[int, int]:
    if confusions is None:
        raise ValueError(
            f"DropMix: expected confusions with partners={policy!r}, got None. Give the class that each class is most "
            "often taken for."
        )
    if isinstance(confusions, Mapping):
        pairs = {_class_id("confusions", key, num_classes): value for key, value in confusions.items()}
    else:
        values = confusions.tolist() if isinstance(confusions, Tensor) else list(confusions)
        if len(values) != num_classes:
            raise ValueError(f"DropMix: expected {num_classes} confusions, one per class, got {len(values)}.")
        pairs = dict(enumerate(values))
    confusion_of = {key: _class_id("confusions", value, num_classes) for key, value in pairs.items()}
    own = [key for key, value in confusion_of.items() if key == value]
    if own:
        raise ValueError(f"DropMix: expected another class as confusion of class {own[0]}, got {own[0]} itself.")
    return confusion_of


def _class_id(where: str, label: int, num_classes: int) -> int:
    if not (isinstance(label, int | np.integer) and not isinstance(label, bool) and 0 <= label < num_classes):
        raise ValueError(f"DropMix: expected class ids in [0, {num_classes}) in {where}, got {label!r}. Relabel.")
    return int(label)
