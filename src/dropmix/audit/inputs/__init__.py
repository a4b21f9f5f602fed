"""Read predictions of any program, and align them.

Read in this order: `predictions` (the record that everything becomes), `given` (what the user says about the inputs),
`sources` (what a source can be), `roles` (which source is which arm), `files`, `json_rows` and `tables` (paths and
frames), `class_values` (what a column of classes means), `scores` (a score per class), `arrays` (mappings of arrays),
`matrices` (columns of other files, several labels per example), `example_ids`, `align` and `merge` (one order of
examples, one numbering of classes), `run_folders` (our own grids). How bytes become columns is in
`dropmix.audit.formats`.
"""
