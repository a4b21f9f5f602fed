"""What an arm predicted: one kind of record for every source, checked once."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dropmix.audit.arm_names import ArmName, baseline_ranks, parse_arm
from dropmix.audit.errors import AuditError, clip, first

BASELINE = "vanilla"  # the arm that the others are compared with
MOST_CLASSES = 100_000  # a larger label is damage, not a class; this also bounds memory


@dataclass(frozen=True)
class Predictions:
    """Predictions of S seeds of one arm on N examples.

    Rows are sorted by `example_id` if ids are given; else they keep the order of the source.

    Args:
        arm: name of the arm.
        labels: true classes, (N,), int32, in [0, K).
        pred: predicted classes, (S, N), int32, in [0, K).
        seeds: (S,), int64, all different.
        example_id: (N,), int64 or object (str), strictly ascending; or None.
        p_true: probability of the true class, (S, N), float32 in [0, 1]; or None.
        p_max: highest probability, (S, N), float32 in [0, 1]; or None.
        topk: predicted classes, best first, (S, N, k), int32; or None.
        group: patient, clip or camera of each example, whose rows are not independent, (N,), int64 or object (str);
            or None.
        by: slice of each example, such as its camera or hospital, (N,), object (str); or None.
        score: of the label that each row asks about, where an example may have several labels, (S, N), float32; or
            None. See `dropmix.audit.inputs.scores`.
        accept: indices of the acceptable classes of each example, (N, A), int32, padded with -1; an empty row means
            that no class fits; None if only the label is right.
        class_names: K names; or None.
        superclasses: name of the superclass of each class, K, None for a class without; or None.
        train_counts: training examples of each class, K, None for an unknown one; or None.
        sources: one dict per input: path, sha256, arm, seeds.
        seeds_given: False if the source named no seeds, so that they are numbered by position.
        arm_given: False if the source named no arm, so that it is named after its path or role.
        ours: whether our own trainer made the runs, each from a seed of its own, so that none is a copy.
        spec_arm: method and rate as the run's spec.json holds them; None for a foreign file.
        label_kind: "number", "text", or "digits" for text that is always a number.
        notes: sentences for people.

    Example:
        >>> import numpy as np
        >>> p = Predictions("a", np.array([0, 1]), np.array([[0, 0]]), np.array([0]))
        >>> p.correct().tolist()
        [[True, False]]
    """

    arm: str
    labels: np.ndarray
    pred: np.ndarray
    seeds: np.ndarray
    example_id: np.ndarray | None = None
    p_true: np.ndarray | None = None
    p_max: np.ndarray | None = None
    topk: np.ndarray | None = None
    group: np.ndarray | None = None
    by: np.ndarray | None = None
    score: np.ndarray | None = None
    accept: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    superclasses: tuple[str | None, ...] | None = None
    train_counts: tuple[int | None, ...] | None = None
    sources: tuple[dict, ...] = ()
    seeds_given: bool = True
    arm_given: bool = True
    ours: bool = False
    spec_arm: ArmName | None = None
    label_kind: str = "number"
    notes: tuple[str, ...] = field(default=())

    @property
    def method_and_rate(self) -> ArmName:
        """From the run's spec.json; of a foreign file, from the arm's name."""
        return self.spec_arm or parse_arm(self.arm)

    def correct(self, topk: int = 1) -> np.ndarray:
        """Whether the true class is among the first `topk` predicted, (S, N), bool.

        Raises:
            AuditError: topk > 1 and the source holds fewer ranked classes.
        """
        if topk == 1:
            return self.pred == self.labels
        depth = 1 if self.topk is None else self.topk.shape[2]
        if depth < topk:
            raise AuditError(
                f"{self.arm}: expected predictions with at least {topk} ranked classes for topk={topk}, "
                f"got {depth}. Save a column topk, or audit with topk=1."
            )
        return (self.topk[:, :, :topk] == self.labels[None, :, None]).any(axis=2)  # type: ignore[index]

    def take(self, rows: np.ndarray) -> "Predictions":
        """The same predictions for some examples only, in the order of `rows` (indices)."""
        pick = lambda a: None if a is None else a[:, rows]  # noqa: E731
        return replace(
            self,
            labels=self.labels[rows],
            pred=self.pred[:, rows],
            example_id=None if self.example_id is None else self.example_id[rows],
            p_true=pick(self.p_true),
            p_max=pick(self.p_max),
            topk=pick(self.topk),
            group=None if self.group is None else self.group[rows],
            by=None if self.by is None else self.by[rows],
            score=pick(self.score),
            accept=None if self.accept is None else self.accept[rows],
        )


def checked(predictions: Predictions, where: str) -> Predictions:
    """The predictions with narrow types, after every check that a single source allows.

    Args:
        predictions: with arrays of any integer or float type.
        where: what to call the source in an error.
    Raises:
        AuditError: no rows, wrong shapes, labels or predictions outside the classes,
            probabilities that are NaN or outside [0, 1], doubled seeds.
    """
    p = predictions
    seeds, count = p.pred.shape if p.pred.ndim == 2 else (0, -1)
    if p.labels.ndim != 1 or count != len(p.labels):
        raise AuditError(
            f"{where}: expected labels (N,) and pred (S, N) with one N, got {p.labels.shape} and {p.pred.shape}. "
            "Give every seed's predictions on the same examples."
        )
    if count == 0 or seeds == 0:
        raise AuditError(f"{where}: expected at least one prediction, got none. Give a file with rows.")
    if len(p.seeds) != seeds or len(np.unique(p.seeds)) != seeds:
        raise AuditError(
            f"{where}: expected {seeds} different seeds, got {first(p.seeds)}. Number every run differently."
        )
    limit = MOST_CLASSES if p.class_names is None else len(p.class_names)
    for name, values in (("label", p.labels), ("pred", p.pred), ("topk", p.topk)):
        _check_range(values, limit, name, where, known=p.class_names is not None)
    for name, values in (("p_true", p.p_true), ("p_max", p.p_max)):
        _check_probability(values, name, where)
    wrong = [n for n in p.train_counts or () if n is not None and (type(n) is not int or n < 0)]
    if wrong:
        raise AuditError(f"{where}: expected train_counts as whole numbers from 0, got {first(wrong)}. Correct them.")
    narrow = lambda a, kind: None if a is None else np.ascontiguousarray(a, dtype=kind)  # noqa: E731
    return replace(
        p,
        labels=narrow(p.labels, np.int32),
        pred=narrow(p.pred, np.int32),
        seeds=narrow(p.seeds, np.int64),
        topk=narrow(p.topk, np.int32),
        p_true=narrow(p.p_true, np.float32),
        p_max=narrow(p.p_max, np.float32),
    )


def _check_range(values: np.ndarray | None, limit: int, name: str, where: str, known: bool) -> None:
    if values is None:
        return
    if values.dtype.kind not in "iu":
        raise AuditError(f"{where}: expected {name} with integer type, got {values.dtype}. Give class numbers from 0.")
    low, high = values.min(), values.max()
    if low < 0 or high >= limit:
        wrong = low if low < 0 else high
        hint = "Check the class list." if known else "Number the classes from 0, or give their names."
        if known and low == 1 and high == limit:
            hint = "The classes seem to be numbered from 1: subtract 1, or save their names."
        raise AuditError(f"{where}: expected {name} in 0..{limit - 1}, got {wrong}. {hint}")


def _check_probability(values: np.ndarray | None, name: str, where: str) -> None:
    if values is None:
        return
    if values.dtype.kind not in "fiu":
        raise AuditError(f"{where}: expected {name} with float type, got {values.dtype}. Give probabilities in [0, 1].")
    low, high = values.min(), values.max()
    slack = 2e-3  # float16 softmax outputs can sum to about this much more than 1
    if not (low >= 0 and high <= 1 + slack):
        wrong = "NaN" if np.isnan(low) else (low if low < 0 else high)
        raise AuditError(
            f"{where}: expected {name} in [0, 1], got {wrong}. Save softmax probabilities, or leave {name} out."
        )


def superclass_numbers(superclasses: Sequence[str | None]) -> np.ndarray:
    """A number per superclass, (K,); a class without one has a number of its own.

    Example:
        >>> superclass_numbers(["pet", "wild", "pet", None]).tolist()
        [1, 2, 1, 0]
    """
    words = [f"1 {name}" if name is not None else f"0 {i}" for i, name in enumerate(superclasses)]
    return np.unique(np.array(words, dtype=object).astype(str), return_inverse=True)[1]


def number_of_classes(arms: Sequence[Predictions]) -> int:
    """K of several arms: the length of their class list, or one more than the highest class seen.

    Raises:
        AuditError: two arms with different class names.
    """
    named = [a for a in arms if a.class_names is not None]
    for other in named[1:]:
        if other.class_names != named[0].class_names:
            raise AuditError(_differing_names(named[0], other))
    if named:
        k = len(named[0].class_names)  # type: ignore[arg-type]
        for arm in arms:
            for name, values in (("label", arm.labels), ("pred", arm.pred), ("topk", arm.topk)):
                _check_range(values, k, name, arm.arm, known=True)
        return k
    return 1 + max(int(max(a.labels.max(), a.pred.max())) for a in arms)


def _differing_names(one: Predictions, other: Predictions) -> str:
    a, b = one.class_names or (), other.class_names or ()
    if len(a) != len(b):
        what = f"{len(a)} and {len(b)} classes"
    else:
        at = next(i for i, (x, y) in enumerate(zip(a, b)) if x != y)
        what = f"class {at} named {clip(a[at])!r} and {clip(b[at])!r}"
    return (
        f"{one.arm} and {other.arm}: expected the same class list in both, got {what}. "
        "Audit arms of one data set, or give classes."
    )


def check_shape(pred: np.ndarray | None, count: int, name: str) -> None:
    """Raise AuditError if predictions are not (S, N) for N examples."""
    if pred is None or (pred.ndim == 2 and pred.shape[1] == count):
        return
    shape = pred.shape if pred.shape[0] > 1 else pred.shape[1:]
    advice = "Give every seed's predictions on the same examples."
    if pred.ndim == 2 and pred.shape[0] == count:
        advice = "Turn pred over: pred.T has a row per seed."
        if pred.shape[0] > 1 and (np.diff(np.sort(pred, axis=1)) != 0).all():
            advice = (
                "If these are the top classes of each example, give the best alone: pred[:, 0]. Of seeds give pred.T."
            )
    elif pred.ndim == 2 and pred.shape[0] == 1 and count and pred.shape[1] % count == 0:
        advice = f"If these are {pred.shape[1] // count} seeds one after the other: pred.reshape(-1, {count})."
    raise AuditError(f"{name}: expected labels (N,) and pred (S, N) with one N, got ({count},) and {shape}. {advice}")


def split_by_name(arms: list[Predictions], name: str) -> tuple[Predictions, list[Predictions]]:
    base = [a for a in arms if a.arm == name]
    others = [a for a in arms if a.arm != name]
    if not base or not others:
        raise AuditError(
            f"baseline: expected an arm named {clip(name)!r} and another one, got {first([a.arm for a in arms])}. "
            "Give the treated predictions as a second argument, or name the baseline's arm (reference, --baseline)."
        )
    return base[0], others


def refuse_glob(lead: Predictions, others: list[Predictions], paths: Sequence[str]) -> None:
    """Refuse files in alphabetical order, as a shell gives them, if another arm is rather the baseline by its name.

    Raises:
        AuditError: says which arm came first, and how to name the baseline.
    """
    rather = _rather(lead, others, least=1)
    if rather is not None and _as_a_shell_sorts(paths):
        raise AuditError(
            f"baseline: expected the baseline's files first, got those of {clip(lead.arm)!r} before "
            f"{clip(rather)!r}, as the alphabet orders them. Say which arm is the baseline: "
            f"--baseline {shlex.quote(clip(rather))}, or reference=... in Python."
        )


def noted_order(lead: Predictions, others: list[Predictions]) -> Predictions:
    """The baseline, with a note if another arm has a name that baselines have."""
    rather = _rather(lead, others, least=2)
    if rather is None:
        return lead
    note = f"The baseline is {clip(lead.arm)}, which was given first, although another arm is named {clip(rather)}."
    return replace(lead, notes=(*lead.notes, note))


def _rather(lead: Predictions, others: list[Predictions], least: int) -> str | None:
    """The arm that is the baseline by its name more than the first one is, and by this rank at least; None if none."""
    names = [arm.arm for arm in (lead, *others)]
    ranks = baseline_ranks(names)
    best = max(ranks)
    return names[ranks.index(best)] if best > ranks[0] and best >= least else None


def _as_a_shell_sorts(paths: Sequence[str]) -> bool:
    """Whether a shell could have sorted the paths: by code points, without case, or by letters and digits alone."""
    plain = lambda path: re.sub(r"[^\w/]|_", "", path.casefold())  # noqa: E731
    return any(list(paths) == sorted(paths, key=key) for key in (str, str.casefold, plain))
