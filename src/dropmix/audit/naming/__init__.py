"""What columns, arrays and keys are called in files of other programs.

Read in this order: `aliases` (the usual names of what we need), `score_columns` (those of a score per class), `totals`
(names that tell that a file holds sums and no predictions), `class_lists` (names of the classes, in files of their
own), `paths` (arms and seeds in the names of files).
"""
