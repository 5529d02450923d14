"""Average precision of rows that hold masks with labels and scores."""

from dataclasses import replace

from promptseg.datasets.samples import Dataset
from promptseg.evaluate.average_precision import Detection, Precision, Protocol, average_precision
from promptseg.evaluate.tasks.task import Rows


def precision_of(dataset: Dataset, rows: Rows, protocol: Protocol | None) -> Precision:
    """Returns the mask AP over the pictures that were asked about.

    Args:
        dataset: the truth.
        rows: with the values "labels", "scores" and "masks" (COCO RLE), as long as one another.
        protocol: None: LVIS's for LVIS, else COCO's.
    """
    names = {row.picture for row in rows}
    part = replace(dataset, samples=tuple(each for each in dataset.samples if each.name in names))
    detections = [
        Detection(row.picture, label, score, mask)
        for row in rows
        for label, score, mask in zip(row.values["labels"], row.values["scores"], row.values["masks"], strict=True)
    ]
    used: Protocol = protocol or ("lvis" if dataset.layout == "lvis" else "coco")
    return average_precision(part, detections, protocol=used)
