"""Columns of a table that hold one score per class, however they are called and nested."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dropmix.audit.errors import AuditError, first
from dropmix.audit.formats import columns
from dropmix.audit.naming.aliases import bare

SLACK = 0.02  # float16 softmax outputs over thousands of classes sum to 1 up to about this
MOST_SLACK = 0.25
FEWEST_RANKED = 10  # rows from which scores that always fall are taken for ranked ones
_WORDS = (
    r"(?:(?:y|class|pred|scored|predicted)[_ ])?(?:p|prob|probs|proba|probas|probability|probabilities|score|scores)"
    r"|(?:y[_ ])?logits?|log[_ ]?p(?:robs?)?|conf|confidence|softmax|likelihood|posterior"
)
_BEFORE = re.compile(rf"(?:{_WORDS})([_ .:-]+)(.+)", re.IGNORECASE)
_BESIDE = (
    re.compile(rf"(?:{_WORDS}) ?[(\[](?:[^=()\[\]]*=)?(.+)[)\]]", re.IGNORECASE),  # p(cat), P (species=cat), prob[0]
    re.compile(rf"(?:{_WORDS})[_ .:-]+[^=]*=(.+)", re.IGNORECASE),  # Probability:Class=cat
    re.compile(rf"(?:{_WORDS})(\d+)", re.IGNORECASE),  # p0
    re.compile(rf"(.+?)[_ .:-]+(?:{_WORDS})", re.IGNORECASE),  # cat_score
)
_WIDE = re.compile(r"(?:pred|preds|prediction|predictions|y_pred|predicted)([_ .:-]+)(.+)", re.IGNORECASE)
_NESTED = {"probs", "prob", "proba", "probas", "probability", "probabilities", "scores", "score", "logits", "softmax"}
_NESTED |= {"yprob", "yproba", "predprobs", "predproba", "predscores", "predscore", "output", "outputs"}


def wide_columns(names: Sequence[str], named: Mapping[str, str]) -> dict[str, str]:
    """Columns of predictions such as pred_0 or pred_mixup: what follows the prefix -> name of the column."""
    return _marked(names, named, _WIDE)


def _marked(names: Sequence[str], named: Mapping[str, str], pattern: re.Pattern) -> dict[str, str]:
    matches = [(name, pattern.fullmatch(name.strip())) for name in names if name not in named.values()]
    parts = [(name, match[1], match[2]) for name, match in matches if match]
    mark = min((separator for _, separator, _ in parts), key=len, default="")
    made: dict[str, str] = {}
    for name, separator, rest in parts:  # beside p_cat, "p_-2 deg" is the score of "-2 deg"
        made.setdefault((separator[len(mark) :] + rest).strip(), name)
    return made


def sum_to_one(table: pa.Table, names: Sequence[str], where: str) -> bool:
    """Whether columns are numbers, not negative, that sum to 1 (or 100) in every row."""
    try:
        parts = [columns.floats(table[name], name, where) for name in names]
    except AuditError:
        return False
    if len(parts) < 2 or any(part is None for part in parts) or not len(table):
        return False
    stack = np.stack([part for part in parts if part is not None])
    sums = stack.sum(axis=0, dtype=np.float64)
    near = [bool((abs(sums - whole) < slack(stack / whole, len(parts)) * whole).all()) for whole in (1, 100)]
    return any(near) and bool((stack >= 0).all())


def slack(values: np.ndarray, k: int) -> float:
    """By how much the sum of k probabilities may differ from 1: more where all are rounded to few digits.

    Example:
        >>> slack(np.array([0.333, 0.3331]), 3), round(slack(np.array([0.33, 0.67]), 30), 3)
        (0.02, 0.071)
    """
    for unit in (0.1, 0.01, 0.001):
        steps = np.asarray(values, dtype=np.float64) / unit
        if bool((abs(steps - np.rint(steps)) < 1e-3).all()):  # errors of up to half a unit, which partly cancel
            return min(MOST_SLACK, max(SLACK, min(k * unit / 2, 4.5 * unit * (k / 12) ** 0.5) + 1e-6))
    return SLACK


def slack_between(scores: Any, worst: float, whole: int) -> float:
    """The `slack` of scores in blocks, whose sums miss 1 by `worst`; they sum to `whole` as they stand."""
    if not SLACK < worst <= MOST_SLACK:
        return SLACK
    return min(slack(block / whole, scores.shape[2]) for _, _, block in scores.blocks())


def score_columns(
    table: pa.Table, named: Mapping[str, str], known: Sequence[str], classes: Sequence[str] | None, where: str
) -> dict[str, str]:
    """Columns that hold one score per class: class -> column; empty if there are none.

    Args:
        table: of the predictions.
        named: columns that mean something else.
        known: true classes that occur, as text.
        classes: the class list, or None.
        where: for errors.
    Raises:
        AuditError: some classes of the class list have a column, and others have none.
    """
    names = table.column_names
    if {"p_true", "p_max"} & named.keys() and "label" in named:  # beside p_false, p_true is the score of a class
        low = {name.casefold() for name in known}
        named = {k: v for k, v in named.items() if not (k in ("p_true", "p_max") and k[2:] in low)}
    covers = lambda keys: {*known} <= {*keys} or (classes is not None and {*classes} <= {*keys})  # noqa: E731
    before = _marked(names, named, _BEFORE)
    if len(before) > 1 and covers(before):
        return before
    free = [n for n, times in Counter(names).items() if n.strip() and n not in named.values() and times == 1]
    for pattern in _BESIDE:
        made = {match[1].strip(): n for n in free if (match := pattern.fullmatch(n.strip()))}
        if len(made) > 1 and covers(made):
            return made
    if classes is not None and {*classes} & {*free}:
        lost = [c for c in classes if c not in free]
        if lost:
            raise AuditError(
                f"{where}: expected a column of scores for each of {len(classes)} classes, got none for "
                f"{first(lost)}. Check the class list."
            )
        return {c: c for c in classes}
    made = _by_values(table, free, known, where)
    return made if len(before) < 2 or covers(made) else before


def _by_values(table: pa.Table, free: list[str], known: Sequence[str], where: str) -> dict[str, str]:
    """Columns called as the classes, alone or with a text of any kind before or after, that sum to 1."""
    own = {n.strip(): n for n in free}
    if len(free) > 1 and sum_to_one(table, free, where):
        return _around(free, known) or own
    if len(known) > 1 and {*known} <= {*own}:
        named = {name: own[name] for name in known}
        # Logits do not sum to 1: only if nothing else is there that may be another class.
        if sum_to_one(table, list(named.values()), where) or (
            len(named) == len(free) and not all(name.isdigit() for name in known) and _numbers(table, free, where)
        ):
            return named
    made = _around(free, known)
    return made if made and sum_to_one(table, list(made.values()), where) else {}


def _around(free: list[str], known: Sequence[str]) -> dict[str, str]:
    """Columns whose names are those of classes between one text before and one after: class -> column."""
    texts = {n.strip(): n for n in free}
    if (found := _affix([*texts], known)) is not None:
        start, end = found
        fits = [t for t in texts if t.startswith(start) and t.endswith(end) and len(t) > len(start + end)]
        return {text[len(start) : len(text) - len(end)]: texts[text] for text in fits}
    # Classes may begin or end with blanks, which then stand beside that text: "out:  cat", "dog  out".
    if (found := _affix([_tight(text) for text in texts], [_tight(name) for name in known])) is None:
        return {}
    loose = [r"\s*".join(map(re.escape, part)) for part in found]
    matches = [(re.fullmatch(rf"{loose[0]}\s*(.*?)\s*{loose[1]}", text), text) for text in texts]
    made = {match[1]: texts[text] for match, text in matches if match and match[1]}
    return made if {*known} <= {*made} else {}


def _affix(texts: list[str], known: Sequence[str]) -> tuple[str, str] | None:
    """The text before and the text after the classes that turn all of them into names of columns."""
    lead = max(known, key=len, default="")
    for name in texts:
        at = name.find(lead) if lead else -1
        while at >= 0:
            start, end = name[:at], name[at + len(lead) :]
            if (start or end) and all(f"{start}{other}{end}" in texts for other in known):
                return start, end
            at = name.find(lead, at + 1)
    return None


def _tight(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _numbers(table: pa.Table, names: Sequence[str], where: str) -> bool:
    try:
        return all(columns.floats(table[name], name, where) is not None for name in names)
    except AuditError:
        return False


def unpacked(table: pa.Table) -> pa.Table:
    """The same table with nested scores as columns of their own.

    A column probs of lists becomes probs_0, probs_1, ...; one of mappings, probs.cat, probs.dog. Lists of label and
    score, as pipelines of Hugging Face give them, become p_cat, p_dog, ... where every row has all labels; of ranked
    ones, the best is kept.
    """
    for name in dict.fromkeys(table.column_names):
        if table.column_names.count(name) > 1 or not pa.types.is_nested(kind := table.schema.field(name).type):
            continue
        inner = getattr(kind, "value_type", None)
        ranked = {"label", "score"} <= _fields(kind if inner is None else inner)
        scores = bare(name) in _NESTED
        if ranked:
            made = _of_ranked(table[name].to_pylist(), name)
        elif scores and pa.types.is_struct(kind):
            keys = [kind.field(i).name for i in range(kind.num_fields)]
            rows = table[name].to_pylist()
            made = {f"{name}.{key}": [None if row is None else row[key] for row in rows] for key in keys}
        elif inner is not None and not pa.types.is_nested(inner):
            made = _of_lists(table[name].to_pylist(), name, scores)
        else:
            continue
        if made and not {*made} & {n for n in table.column_names if n != name}:
            kept = table.drop_columns([name])
            arrays = [*kept.columns, *map(pa.array, made.values())]
            table = pa.table(arrays, [*kept.column_names, *made], metadata=table.schema.metadata)
    return table


def _fields(kind: pa.DataType) -> set[str]:
    return {kind.field(i).name for i in range(kind.num_fields)} if pa.types.is_struct(kind) else set()


def _of_lists(rows: list[Any], name: str, scores: bool) -> dict[str, list]:
    widths = {-1 if row is None else len(row) for row in rows}
    if len(widths) != 1 or (width := widths.pop()) < 1 or (width > 1) != scores:
        return {}
    if width == 1:
        return {name: [row[0] for row in rows]}
    return {f"{name}_{k}": [row[k] for row in rows] for k in range(width)}


def _of_ranked(rows: list[Any], name: str) -> dict[str, list]:
    """Columns from a list of {label, score} per row, or from one of these."""
    rows = [[row] if isinstance(row, dict) else row or [] for row in rows]
    rows = [[one for one in row if one and one["label"] is not None and one["score"] is not None] for row in rows]
    labels = [[one["label"] for one in row] for row in rows]
    every = sorted({label for row in labels for label in row}, key=str)
    if len(every) > 1 and all(len(row) == len(every) == len({*row}) for row in labels):
        of_row = [{one["label"]: one["score"] for one in row} for row in rows]
        return {f"p_{label}": [row[label] for row in of_row] for label in every}
    best = [max(row, key=lambda one: one["score"], default=None) for row in rows]
    return {name: [None if one is None else one["label"] for one in best]}


def refuse_ranked(array: np.ndarray, names: Sequence[str], best: Sequence[str], where: str) -> None:
    """Refuse scores of the k best classes, best first, which are not scores of classes 0 to k - 1.

    Args:
        array: (N, k).
        names: what tells the columns apart, "0", "1", ...
        best: columns beside them that say which class came first, such as index_0.
    Raises:
        AuditError: scores that fall in every row.
    """
    falls = bool((array[:, 1:] <= array[:, :-1]).all()) and all(name.isdigit() for name in names)
    if falls and (best or (len(names) > 2 and len(array) >= FEWEST_RANKED)):
        advice = f"name the best class (--columns pred={best[0]})" if best else "name the columns by class, p_NAME"
        raise AuditError(
            f"{where}: expected a score for each class, got scores that fall from column to column in every row, as of "
            f"the k best classes of each example. Save all classes in one order (in timm, --topk 0), or {advice}."
        )
