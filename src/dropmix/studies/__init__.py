"""Studies that need training and audit together, or simulation.

Read in this order: `simulate` (studies with known truth), `floor`, `against_itself` (an arm against its own seeds),
`rate_optimism`, `tailor` and `tailored_runs` (a rate per class), `gallery` (pictures of methods), `label_information`,
`label_files` and `pretrained`; `explain`, `predictors`, `image_predictors`, `explain_words`
and `explain_page` (which classes are hurt).
"""
