"""How an audit is displayed: ten lines in a console, a table in a notebook, a data frame."""

from html import escape
from typing import TYPE_CHECKING, Any

from dropmix.audit.errors import AuditError, clip
from dropmix.audit.quantities.words import MACRO, counted, noun, signed_points

if TYPE_CHECKING:
    from dropmix.audit.result import Audit, Comparison

MOST = 8  # comparisons to show
ROWS = 20  # classes to show in a notebook, largest losses first
COLUMNS = ("class", "n", "recall_baseline", "recall_treated", "recall_change", "decision")


def line(c: "Comparison") -> str:
    """One comparison in one line."""
    s = c.summary
    who = f"{clip(c.arm)} against {clip(c.baseline)}"
    group = f"{clip(c.group)}: " if c.group else ""
    if "decision" not in s:
        return f"{group}{who}"
    macro = "" if s["gain_macro"] is None else f" ({MACRO[noun(c.classes)]} {signed_points(s['gain_macro'])})"
    return (
        f"{group}{who}: {s['decision']}; accuracy {signed_points(s['gain'])} points{macro}; of "
        f"{counted(s['n_classes'], noun(c.classes))} "
        f"{s['n_hurt']} hurt, {s['n_safe']} safe, {s['n_undecided']} undecided, {s['n_too_few']} with too few examples"
    )


def text(audit: "Audit") -> str:
    """The audit in at most ten lines.

    Example:
        >>> from dropmix.audit import audit_predictions
        >>> labels = [0] * 40 + [1] * 40
        >>> worse = [0] * 40 + [1] * 30 + [0] * 10
        >>> print(text(audit_predictions((labels, labels), (labels, worse), refits=0))[:87])
        Audit with 1 comparison:
          treated against baseline: do not ship; accuracy -12.5 points
    """
    count = len(audit.comparisons)
    lines = [f"Audit with {count} comparison{'' if count == 1 else 's'}:"]
    lines += [f"  {line(c)}" for c in audit.comparisons[:MOST]]
    return "\n".join([*lines, *([f"  and {count - MOST} more"] if count > MOST else [])])


def html(audit: "Audit") -> str:
    """Verdicts, and for a single comparison its classes, for notebooks."""
    said = "".join(f"<p>{escape(c.verdict())}</p>" for c in audit.comparisons[:MOST])
    if len(audit.comparisons) != 1:
        return f"<div>{said}</div>"
    rows = sorted(audit.only.rows(), key=lambda row: row["recall_change"])[:ROWS]
    head = "".join(f"<th>{escape(key.replace('_', ' '))}</th>" for key in COLUMNS)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(key, row[key])}</td>' for key in COLUMNS)}</tr>" for row in rows)
    return f"<div>{said}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(key: str, value: Any) -> str:
    if key == "recall_change":
        return signed_points(value)
    return f"{100 * value:.1f} %" if isinstance(value, float) else escape(str(value))


def frame(audit: "Audit") -> Any:
    """One row per class and comparison, as a pandas data frame.

    Raises:
        AuditError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise AuditError("to_pandas: expected the package pandas, got none. Run pip install pandas.") from None
    rows = [
        {"group": c.group, "baseline": c.baseline, "arm": c.arm, **row} for c in audit.comparisons for row in c.rows()
    ]
    return pd.DataFrame(rows)
