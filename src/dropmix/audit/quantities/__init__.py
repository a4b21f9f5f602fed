"""Every number of the audit, declared once.

Read in this order: `table` (what a declaration holds), `summary`, `classes`, `slices`, `inferred` (values that come
from inference), `words` (numbers in a sentence).

A new number is one declaration in `summary` or `classes`, and the function that computes it, called in
`dropmix.audit.comparison`. Schema, documentation and the reasons for what is missing follow from the declaration.
"""
