"""Files as they lie on disk, read within bounds: bytes to typed arrays and columns that mean nothing yet.

Read in this order: `archives` (which files are read at all, and npy, npz and JSON), `csv_text`, `columns` (what parquet
and CSV columns become).
"""
