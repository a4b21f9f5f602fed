"""The paper's tables, figures and claims, our numbers beside the printed ones.

Read in this order: `printed` (the numbers in print), `exhibits` (which runs each table and figure needs), `plan`
(what they cost), `runs` (which folders serve), `side_by_side` and `sheet` (tables), `figures`, `render` (all of it),
`claims` (what the paper says in words), `replicate` (what a second study would print), `floor_page`.
"""
