"""Data sets, frozen by content: arrays, images and robots' recordings become samples in one file.

Takes an upload of a stranger, gives a file without pickle whose samples are read one by one, and what fits a model.
"""

from rilaas.store.dataset.bind import Bound, bind
from rilaas.store.dataset.freeze import freeze_dataset
from rilaas.store.dataset.frozen import Dataset
from rilaas.store.dataset.info import DatasetInfo, DatasetLimits, FieldInfo, Sample

__all__ = ["Bound", "Dataset", "DatasetInfo", "DatasetLimits", "FieldInfo", "Sample", "bind", "freeze_dataset"]
