"""Read predictions of any program, and align them.

Read in this order: `predictions` (the record that everything becomes), `given` (what the user says about the inputs),
`sources` (what a source can be), `roles` (which source is which arm), `files` and `tables` (paths and frames),
`columns` and `class_values` (what a column means), `arrays` and `scores` (mappings of arrays), `align` (one order of
examples), `run_folders` (our own grids).
"""
