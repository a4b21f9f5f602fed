"""Images in memory: data sets by name, from packages, files and folders; no torch is imported here.

`dropmix.data.resident` makes batches of them with torch.
"""

from dropmix.data.catalog import DATASETS
from dropmix.data.load import load
from dropmix.data.records import DataError, Dataset, Split

__all__ = ["DATASETS", "DataError", "Dataset", "Split", "load"]
