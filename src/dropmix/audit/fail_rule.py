"""Rules that fail a build: `decision == do not ship`, `class[fox].recall_change_high < -0.01`.

    rule       = both {"or" both}
    both       = comparison {"and" comparison}
    comparison = name operator value | "(" rule ")"
    name       = key of the summary | "class[" name of a class "]." column
    operator   = < | <= | > | >= | == | !=

Changes and rates are fractions, as in audit.json, but percentage points in the shell. Texts are compared with == and
!=, and may be quoted.

A comparison with a number that could not be computed is neither true nor false. The rule is refused if its answer
depends on it, and only then: `n_degraded > 0 and mean_degraded_change < -5` is false if no class is degraded.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from dropmix.audit.errors import AuditError, advice, clip
from dropmix.audit.quantities.classes import CLASSES
from dropmix.audit.quantities.slices import SLICES
from dropmix.audit.quantities.summary import SUMMARY
from dropmix.audit.quantities.table import Quantity
from dropmix.audit.result import Audit, Comparison, plain

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
# A class may be called anything, "a].b" too: its name ends where a column and an operator follow. Values of several
# words need no quotes.
TOKEN = re.compile(
    r"\s*(?:(<=|>=|==|!=|<|>|\(|\))|((?:class|slice)\[.*?\]\.[a-z_0-9]+(?=\s*(?:[<>=!)]|and\b|or\b|$))"
    r"|(?:do not ship|too few examples)\b|[A-Za-z_][A-Za-z_0-9]*)"
    r"|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(\"[^\"]*\"|'[^']*'))",
    re.DOTALL,
)
# In points these are never below 1 in earnest: `accuracy_treated < 0.9` is meant as 90 %, and would never hold.
LEVEL = re.compile(r"(accuracy|recall|precision|f1|worst_class|bottom_tenth)_(baseline|treated)(_macro|_as_labelled)?")
DEEPEST = 50  # nested parentheses; more than anyone needs, and well below Python's limit


def rule_holds(audit: Audit, expression: str, points: bool = False) -> bool:
    """Whether a rule holds for any comparison of an audit.

    Args:
        audit: result of an audit.
        expression: the rule.
        points: whether fractions in the rule are percentage points, as in the shell.
    Raises:
        AuditError: the rule cannot be read, names an unknown number or class (the nearest is named), or depends on a
            number that could not be computed.

    Example:
        >>> from dropmix.audit import audit_predictions
        >>> audit = audit_predictions(([0, 1], [0, 1]), ([0, 1], [0, 0]))
        >>> rule_holds(audit, "n_degraded >= 1 and gain < 0"), rule_holds(audit, "n_degraded > 5 or n_tied > 1")
        (True, False)
        >>> rule_holds(audit, "class[1].recall_change < -50", points=True), rule_holds(audit, "decision == ship")
        (True, False)
    """
    tokens = _tokens(expression)
    outcomes, missing = [], {}
    for comparison in audit.comparisons:
        rest, values = list(tokens), _Values(comparison, points)
        outcomes.append(_rule(rest, values, expression, 0))
        if rest:
            raise _unreadable(expression, f"{rest[0]!r} left over")
        if outcomes[-1] is None:
            missing = missing or values.missing
    holds = _either(outcomes)
    if holds is None:
        name, why = next(iter(missing.items()))
        raise AuditError(
            f"rule: expected a value of {clip(name)}, got null{f' ({why})' if why else ''}, so that the rule neither "
            "holds nor fails. Leave it out, or compare another one."
        )
    return holds


def check_rule(expression: str) -> None:
    """Refuse a rule that cannot be read, or names an unknown quantity, before any audit is there.

    Args:
        expression: the rule; its classes and slices are not known yet.
    Raises:
        AuditError: as `rule_holds`.

    Example:
        >>> check_rule("n_hurt_low > 0 and class[fox].recall_change_high < -1")
    """
    rest = _tokens(expression)
    _rule(rest, _Kinds(), expression, 0)
    if rest:
        raise _unreadable(expression, f"{rest[0]!r} left over")


class _Kinds:
    """A value of the right kind for every name that a rule may hold."""

    def __getitem__(self, name: str) -> float | str:
        kind, bracket, _ = name.partition("[")
        what = f"column of the {kind if kind == 'slice' else 'classe'}s" if bracket else "number of the summary"
        return "" if _find(name.rpartition("].")[2], _quantities(name), what).kind == "string" else 0.0


class _Values:
    """Numbers and texts of one comparison by their names in a rule, in the rule's unit."""

    def __init__(self, comparison: Comparison, points: bool) -> None:
        self.comparison, self.points = comparison, points
        self.missing: dict[str, str] = {}

    def __getitem__(self, name: str) -> float | str | None:
        value, key = self._value(name)
        if value is None:
            self.missing[name] = self.comparison.reasons.get(key, "")
        return value

    def _value(self, name: str) -> tuple[float | str | None, str]:
        """The value, and its key among the reasons for null."""
        kind = name.partition("[")[0]
        if kind == name:
            return self._scaled(name, _find(name, self.comparison.summary, "number of the summary"), SUMMARY), name
        label, _, column = name[len(kind) + 1 :].rpartition("].")
        columns, table = (self.comparison.classes, CLASSES) if kind == "class" else (self.comparison.slices, SLICES)
        names = [str(n) for n in columns.get(kind, ())]
        row = names.index(_find(label, dict(zip(names, names)), kind))
        values = _find(column, columns, f"column of the {'classes' if kind == 'class' else 'slices'}")
        return self._scaled(column, plain(values[row : row + 1])[0], table), f"classes.{column}"

    def _scaled(self, name: str, value: Any, table: tuple[Quantity, ...]) -> float | str | None:
        unit = next((q.unit for q in table if name in q.keys), "")
        return 100 * value if self.points and unit == "fraction" and isinstance(value, float) else value


def _quantities(name: str) -> dict[str, Quantity]:
    """Key -> quantity, of the table that a name in a rule is about."""
    kind, bracket, _ = name.partition("[")
    table = {"class": CLASSES, "slice": SLICES}[kind] if bracket else SUMMARY
    return {key: quantity for quantity in table for key in quantity.keys}


def _find(name: str, among: Mapping[str, Any], what: str) -> Any:
    if name not in among:
        rows = [known for known in among if known.startswith(f"{name} ")]  # of a label
        raise AuditError(f"rule: expected a {what}, got {clip(name)!r}. {advice(name, rows or [*among])}")
    return among[name]


def _tokens(expression: str) -> list[str]:
    tokens, at = [], 0
    text = expression.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise _unreadable(expression, repr(clip(text[at:], 20)))
        tokens.append(next(part for part in match.groups() if part is not None))
        at = match.end()
    return tokens


def _rule(tokens: list[str], values: "_Values | _Kinds", expression: str, depth: int) -> bool | None:
    parts = [_both(tokens, values, expression, depth)]
    while tokens and tokens[0].lower() == "or":
        tokens.pop(0)
        parts.append(_both(tokens, values, expression, depth))
    return _either(parts)


def _either(parts: list[bool | None]) -> bool | None:
    """Whether any part is true; None if that depends on what is unknown."""
    return True if True in parts else None if None in parts else False


def _both(tokens: list[str], values: "_Values | _Kinds", expression: str, depth: int) -> bool | None:
    parts = [_comparison(tokens, values, expression, depth)]
    while tokens and tokens[0].lower() == "and":
        tokens.pop(0)
        parts.append(_comparison(tokens, values, expression, depth))
    return False if False in parts else None if None in parts else True


def _comparison(tokens: list[str], values: "_Values | _Kinds", expression: str, depth: int) -> bool | None:
    if tokens and tokens[0] == "(":
        if depth > DEEPEST:
            raise _unreadable(expression, "too many parentheses")
        tokens.pop(0)
        holds = _rule(tokens, values, expression, depth + 1)
        if not tokens or tokens.pop(0) != ")":
            raise _unreadable(expression, "no closing parenthesis")
        return holds
    if len(tokens) < 3:
        raise _unreadable(expression, "an unfinished comparison")
    name, sign, text = tokens[:3]
    del tokens[:3]
    value = values[name]
    if sign not in OPERATORS:
        raise _unreadable(expression, f"{clip(sign)!r} in place of an operator")
    try:
        bound: float | str = float(text)
    except ValueError:
        bound = text.strip("\"'")
    column = name.rpartition("].")[2]
    if isinstance(bound, float) and not math.isfinite(bound):
        raise _unreadable(expression, f"{clip(text)!r} in place of a number")
    if isinstance(bound, float) and getattr(values, "points", False) and LEVEL.fullmatch(column) and 0 < bound <= 1:
        raise AuditError(f"rule: expected {column} in percent, got {clip(text)}. Write {100 * bound:g}.")
    words = quantity.words if (quantity := _quantities(name).get(column)) else ()
    if words and isinstance(bound, str) and bound not in words:  # else the rule would never hold, or always
        raise AuditError(f"rule: expected {column} to be {', '.join(words[:-1])} or {words[-1]}, got {clip(bound)!r}.")
    if value is None:
        return None
    if isinstance(value, str) != isinstance(bound, str):
        kind = "a text" if isinstance(value, str) else "a number"
        raise _unreadable(expression, f"{clip(text)!r} in place of {kind}")
    if isinstance(value, str) and sign not in ("==", "!="):
        raise _unreadable(expression, f"{sign!r} between texts")
    return OPERATORS[sign](value, bound)


def _unreadable(expression: str, what: str) -> AuditError:
    return AuditError(
        f"rule: expected comparisons such as 'decision == do not ship or n_hurt_low > 0', got {what} in "
        f"{clip(expression)!r}. Join comparisons with and, or, and parentheses."
    )
