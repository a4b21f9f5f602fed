"""Tables of a report.

Read in this order: `paper_layout` (rows as the paper lays them out), `render` (Markdown, LaTeX, CSV, terminal),
`classes` (for a terminal), `slices` (rows beside the classes).
"""
