"""Readers: one module per layout in which data sets lie on disk; `load` picks one by the catalogue and what it finds.

Read in this order: `digits` (the simplest), `idx`, `cifar`, `parquet` with its `shards`, then `folder`, which uses
`layout`, `names` and `walk` (folders as people have them), and `tables` (classes and groups that a table gives) with
`cells` (how a table is read and names pictures).
"""
