"""Data sets by name, from packages, files and folders, in memory or left in their files; no torch is imported here.

`dropmix.data.resident` and `dropmix.data.stream` make batches of them with torch.
"""

from dropmix.data.catalog import DATASETS
from dropmix.data.load import load
from dropmix.data.records import DataError, Dataset, Files, Split

__all__ = ["DATASETS", "DataError", "Dataset", "Files", "Split", "load"]
