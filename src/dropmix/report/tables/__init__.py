"""Tables of a report.

Read in this order: `paper_layout` (rows as the paper lays them out), `render` (Markdown, LaTeX, CSV, terminal),
`overview` (arms for a terminal), `classes` (their classes), `slices` (rows beside the classes).
"""
