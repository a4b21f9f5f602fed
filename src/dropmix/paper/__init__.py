"""The paper's tables, figures and claims, with our numbers beside the printed ones.

Read in this order: `printed` (the numbers in print) and `notes` (where they contradict each other), `exhibits` (which
runs each table and figure needs), `plan` (what they cost), `runs` and `panel` (which folders serve), `side_by_side` and
`sheet` (tables), `figures`, `render` (all of it), `claims` (its claims in words), `claim_estimates`, `claims_of_runs`
and `claim_tables` (their numbers, runs and tables), `replicate` (what a second study would print), `floor_page`.
"""
