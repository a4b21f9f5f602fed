"""What is counted, class by class, before any inference.

Read in this order: `counts` (two arms as integers), `recall`, `degraded` (the paper's measures), `confidence`,
`precision`, `flips`, `confusion` (what a class is mistaken for), `average_precision`, then `accept`.
"""
