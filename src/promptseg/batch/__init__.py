"""Many pictures: automatic masks of a folder, a glob or a list as SA-1B records, on one machine or on a Ray cluster.

`find_pictures` names the items, `Labeler` makes the records of a batch, `label_pictures` runs it over all items with
workers and a manifest that makes the run resumable, `ray_engine.label_with_ray` runs the same `Labeler` in Ray Data.
"""

from promptseg.batch.labeler import Labeler, LabelerSettings
from promptseg.batch.run import BatchSummary, PictureOutcome, label_pictures
from promptseg.batch.sources import Item, find_pictures, is_batch

__all__ = [
    "BatchSummary",
    "Item",
    "Labeler",
    "LabelerSettings",
    "PictureOutcome",
    "find_pictures",
    "is_batch",
    "label_pictures",
]
