"""Rules for continuous integration: `n_degraded_estimate > 5 and gain < 0.01`.

    rule       = both {"or" both}
    both       = comparison {"and" comparison}
    comparison = name operator number | "(" rule ")"
    operator   = < | <= | > | >= | == | !=

Names are keys of a comparison's summary; numbers are fractions, as in audit.json.
"""

import operator
import re
from collections.abc import Callable
from difflib import get_close_matches

from dropmix.audit.errors import AuditError, clip
from dropmix.audit.result import Audit

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
TOKEN = re.compile(
    r"\s*(?:(<=|>=|==|!=|<|>|\(|\))|([A-Za-z_][A-Za-z_0-9]*)|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))"
)
DEEPEST = 50  # parentheses; far beyond need, well below Python's limit


def fail_if(audit: Audit, expression: str) -> bool:
    """Whether a rule holds for any comparison of an audit.

    A number that could not be computed (None) satisfies no comparison.

    Args:
        audit: result of an audit.
        expression: the rule.
    Raises:
        AuditError: the rule cannot be read, or names an unknown number (the nearest is named).

    Example:
        >>> from dropmix.audit import audit_predictions
        >>> audit = audit_predictions(([0, 1], [0, 1]), ([0, 1], [0, 0]))
        >>> fail_if(audit, "n_degraded >= 1 and gain < 0"), fail_if(audit, "n_degraded > 5 or n_tied > 1")
        (True, False)
    """
    tokens = _tokens(expression)
    outcomes = []
    for comparison in audit.comparisons:
        numbers = {k: v for k, v in comparison.summary.items() if v is None or isinstance(v, int | float)}
        rest = list(tokens)
        outcomes.append(_rule(rest, numbers, expression, 0))
        if rest:
            raise _unreadable(expression, f"{rest[0]!r} left over")
    return any(outcomes)


def _tokens(expression: str) -> list[str]:
    tokens, at = [], 0
    text = expression.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise _unreadable(expression, repr(clip(text[at:], 20)))
        tokens.append(match.group(1) or match.group(2) or match.group(3))
        at = match.end()
    return tokens


def _rule(tokens: list[str], numbers: dict, expression: str, depth: int) -> bool:
    holds = _both(tokens, numbers, expression, depth)
    while tokens and tokens[0].lower() == "or":
        tokens.pop(0)
        holds = _both(tokens, numbers, expression, depth) or holds
    return holds


def _both(tokens: list[str], numbers: dict, expression: str, depth: int) -> bool:
    holds = _comparison(tokens, numbers, expression, depth)
    while tokens and tokens[0].lower() == "and":
        tokens.pop(0)
        holds = _comparison(tokens, numbers, expression, depth) and holds
    return holds


def _comparison(tokens: list[str], numbers: dict, expression: str, depth: int) -> bool:
    if tokens and tokens[0] == "(":
        if depth > DEEPEST:
            raise _unreadable(expression, "too many parentheses")
        tokens.pop(0)
        holds = _rule(tokens, numbers, expression, depth + 1)
        if not tokens or tokens.pop(0) != ")":
            raise _unreadable(expression, "no closing parenthesis")
        return holds
    if len(tokens) < 3:
        raise _unreadable(expression, "an unfinished comparison")
    name, sign, number = tokens[:3]
    del tokens[:3]
    if name not in numbers:
        near = get_close_matches(name, numbers, 1)
        hint = f"Did you mean {near[0]}?" if near else "See summary in audit.json."
        raise AuditError(f"rule: expected a number of the summary, got {clip(name)!r}. {hint}")
    if sign not in OPERATORS:
        raise _unreadable(expression, f"{clip(sign)!r} in place of an operator")
    try:
        bound = float(number)
    except ValueError:
        raise _unreadable(expression, f"{clip(number)!r} in place of a number") from None
    return numbers[name] is not None and OPERATORS[sign](numbers[name], bound)


def _unreadable(expression: str, what: str) -> AuditError:
    return AuditError(
        f"rule: expected comparisons such as 'n_degraded_estimate > 5 and gain < 0.01', got {what} in "
        f"{clip(expression)!r}. Join comparisons with and, or, parentheses."
    )
