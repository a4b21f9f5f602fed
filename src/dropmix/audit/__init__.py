"""Which classes an augmentation hurts, by how much, and whether that is more than noise.

Read in this order: `api` (the two entry points) and `settings`, `inputs` (reading predictions), with `formats` (the
files beneath) and `naming` (what programs call columns), `measures` (what is counted), `inference` (what can be
concluded), `rows` (slices, and several labels per example), `analysis` and `comparison` (one arm against its baseline),
`several_arms`, `quantities` and `schema` (every number by name), `result` (what an audit holds), `show`, `wording` (the
answer in words), `fail_rule` (the answer for a script), `rate_choice`; and `save` (predictions for an audit),
`arm_names`, `errors` and `spreadsheet` (safe files).

    >>> from dropmix.audit import audit_predictions
    >>> audit = audit_predictions(([0, 0, 1, 1], [0, 0, 1, 0]), ([0, 0, 1, 1], [0, 1, 1, 1]))
    >>> audit.summary["n_degraded"], audit.summary["n_improved"], audit.summary["gain"]
    (1, 1, 0.0)

The package imports no torch, and looks every public name up on first use. Rates and changes are fractions: 0.01 is one
percentage point.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_WHERE = {
    "Audit": "dropmix.audit.result",
    "AuditError": "dropmix.audit.errors",
    "Comparison": "dropmix.audit.result",
    "Predictions": "dropmix.audit.inputs.predictions",
    "audit_grid": "dropmix.audit.api",
    "audit_predictions": "dropmix.audit.api",
    "no_evidence": "dropmix.audit.wording",
    "rule_holds": "dropmix.audit.fail_rule",
    "verdict": "dropmix.audit.wording",
}
__all__ = [
    "Audit",
    "AuditError",
    "Comparison",
    "Predictions",
    "audit_grid",
    "audit_predictions",
    "no_evidence",
    "rule_holds",
    "verdict",
]

if TYPE_CHECKING:
    from dropmix.audit.api import audit_grid, audit_predictions
    from dropmix.audit.errors import AuditError
    from dropmix.audit.fail_rule import rule_holds
    from dropmix.audit.inputs.predictions import Predictions
    from dropmix.audit.result import Audit, Comparison
    from dropmix.audit.wording import no_evidence, verdict


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'dropmix.audit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
