"""What is counted, class by class, before any inference.

Read in this order: `counts` (two arms as integers), `recall`, `degraded` (the paper's measures), `confidence`,
`beside_recall` (columns from `precision` and `flips`), `confusion` (what a class is mistaken for), `lost` (which
images), `average_precision` and `thresholds` (several labels per example), `accept` (several right labels), `chance` (a
baseline that guesses), `seeds` (are they different runs) and `seed_moves` (what a seed does to a whole class).
"""
