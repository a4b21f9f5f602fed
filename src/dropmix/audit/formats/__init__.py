"""Files as they lie on disk, read within bounds: bytes to typed arrays and columns that mean nothing yet.

Read in this order: `kinds` (which files are read at all), `archives` (npy, npz and JSON), `folders` (which of their
files hold predictions), `csv_text` with `csv_header` and `csv_rows` (which lines hold names, and which no data),
`columns` (what parquet and CSV columns become), `tables` (either file, read), `printed` (values as programs print
them).
"""
