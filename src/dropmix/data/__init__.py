"""Data sets by name, from packages, files and folders, in memory or left in their files; no torch is imported here.

Read in this order: `load` (a name to a data set), `records` (what a data set is), `catalog` (the names), `stratify`
(splits), `readers` (a module per layout), `files` (pictures that stay where they are); `decode`, `picture`, `cache` and
`resize` (pixels), `resident` and `stream` (batches).

`dropmix.data.resident` and `dropmix.data.stream` make batches with torch.
"""

from dropmix.data.catalog import DATASETS
from dropmix.data.load import load
from dropmix.data.records import DataError, Dataset, Files, Split

__all__ = ["DATASETS", "DataError", "Dataset", "Files", "Split", "load"]
