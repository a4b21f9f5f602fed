"""The paper's figures, drawn from our runs.

Read in this order: `catalog` (every figure by number), then `overview`, `curves`, `confidence` and `label`.
"""
