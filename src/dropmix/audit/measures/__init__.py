"""What is counted, class by class, without inference.

Read in this order: `counts` (two arms as integers), `recall`, `degraded` (the paper's measures), `confidence`,
`precision`, `confusion` (what a class was taken for), then `slices` and `accept`.
"""
