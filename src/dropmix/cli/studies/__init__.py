"""The commands that ask a question of `dropmix.studies`, one per file.

Read in this order: `explain` (what predicts the hurt classes), `tailor` (a rate per class), `floor`, `label_info`,
`show`.
"""
