"""Figures of a report, one kind per file.

Read in this order: `style` (what all share), `catalog` (every figure by name), then `bars`, `scatter`, `curves`,
`confusion`, `extremes`, `rate_front` and `label_curves`; and `fonts` (letters that our font lacks).
"""
