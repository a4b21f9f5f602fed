"""Images in memory."""

from dropmix.data.load import DATASETS, load
from dropmix.data.records import DataError, Dataset, Split

__all__ = ["DATASETS", "DataError", "Dataset", "Split", "load"]
