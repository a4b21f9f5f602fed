"""Which classes an augmentation hurts, by how much, and whether that is more than noise.

Read in this order: `api` (the two entry points) and `settings`, `inputs` (reading predictions), with `formats` (the
files beneath) and `naming` (what programs call columns), `measures` (what is counted), `inference` (what can be
concluded), `rows` (slices, and several labels per example), `analysis` and `comparison` (one arm against its baseline),
`several_arms`, `quantities` and `schema` (every number by name), `result` (what an audit holds), `show`, `verdict` (the
answer in words), `fail_rule` (the answer for a script), `rate_choice`; and `save` (predictions for an audit),
`arm_names`, `errors` and `spreadsheet` (safe files).

    >>> from dropmix.audit import audit_predictions
    >>> audit = audit_predictions(([0, 0, 1, 1], [0, 0, 1, 0]), ([0, 0, 1, 1], [0, 1, 1, 1]))
    >>> audit.summary["n_degraded"], audit.summary["n_improved"], audit.summary["gain"]
    (1, 1, 0.0)

The package imports no torch. Rates and changes are fractions: 0.01 is one percentage point.
"""

from dropmix.audit.api import audit_grid, audit_predictions
from dropmix.audit.errors import AuditError
from dropmix.audit.fail_rule import rule_holds
from dropmix.audit.inputs.predictions import Predictions
from dropmix.audit.result import Audit, Comparison
from dropmix.audit.verdict import no_evidence, verdict

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
