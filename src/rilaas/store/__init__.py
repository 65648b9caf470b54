"""Bytes on disk: model folders and their archives, data sets, files by their hash.

Takes paths, returns frozen values; what is wrong with a folder is told all at once, with file and line.
Runs nothing that it reads. May import core.
"""

from rilaas.store.archive import ArchiveLimits, pack
from rilaas.store.blob import Blobs, Part
from rilaas.store.folder import ModelFile, ModelFolder, read_model_folder
from rilaas.store.latency_row import LatencyRow, Times
from rilaas.store.manifest import BACKENDS, PRECISIONS, SENSITIVITIES, Batching, Limits, Manifest, Placement
from rilaas.store.shelf import Shelf, Stored
from rilaas.store.unpack import unpack
from rilaas.store.upload import folder_from_files, unpack_upload

__all__ = [
    "BACKENDS",
    "PRECISIONS",
    "SENSITIVITIES",
    "ArchiveLimits",
    "Batching",
    "Blobs",
    "LatencyRow",
    "Limits",
    "Manifest",
    "ModelFile",
    "ModelFolder",
    "Part",
    "Placement",
    "Shelf",
    "Stored",
    "Times",
    "folder_from_files",
    "pack",
    "read_model_folder",
    "unpack",
    "unpack_upload",
]
