"""Many pictures: automatic masks of a folder, a glob or a list as SA-1B records, on one machine or on a Ray cluster.

`find_pictures` names the items, `Labeler` makes the records of a batch, `label_pictures` runs it over all items with
workers and a manifest that makes the run resumable, `ray_engine.label_with_ray` runs the same `Labeler` in Ray Data.
"""

from promptseg.dataset.labeler import Labeler, LabelerSettings
from promptseg.dataset.run import Outcome, Summary, label_pictures
from promptseg.dataset.sources import Item, find_pictures, is_batch

__all__ = [
    "Item",
    "Labeler",
    "LabelerSettings",
    "Outcome",
    "Summary",
    "find_pictures",
    "is_batch",
    "label_pictures",
]
