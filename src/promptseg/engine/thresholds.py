"""The thresholds of stage 3, chosen on what people accepted: as strict as they can be and still find most of it."""

from dataclasses import dataclass

import numpy as np

from promptseg.engine.detector import LOOSE
from promptseg.engine.project import Project
from promptseg.engine.records import chosen_by_chance
from promptseg.errors import InputError
from promptseg.masks.overlap import iou_matrix
from promptseg.segment.sam import SamSegmenter

PICTURES = 40
"""Finished pictures that are searched, at most."""

SCORES = (0.7, 0.75, 0.8, 0.84, 0.86, 0.88, 0.9, 0.92, 0.94)
STABILITIES = (0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97)

FOUND = 0.75
"""A search finds an accepted mask from this IoU on."""

KEEP = 0.9
"""The thresholds let so many pass of the accepted masks that a loose search finds."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds of the automatic search.

    Attributes:
        pred_iou_thresh: of the predicted IoU.
        stability_score_thresh: of the stability.
        kept: share of the accepted masks, among those that a loose search finds, that still are found.
        masks: share of all masks of the loose search that pass.
        found: share of the accepted masks that the loose search finds at all.
        pictures: that were searched.
    """

    pred_iou_thresh: float
    stability_score_thresh: float
    kept: float
    masks: float
    found: float
    pictures: int


def choose_thresholds(project: Project, segmenter: SamSegmenter, *, keep: float = KEEP) -> Thresholds:
    """Searches finished pictures loosely, and returns the strictest thresholds that keep what people accepted.

    Of the pairs that let `keep` of the accepted masks pass, it is the one that lets the fewest masks pass in all.

    Raises:
        InputError: nothing is labelled, or the search finds none of it.
    """
    done = [each.id for each in project.pictures.each(held=False, labelled=True)]
    done.sort(key=lambda number: chosen_by_chance(project.settings.seed, "thresholds", str(number)))
    rows: list[tuple[float, float]] = []
    best: list[list[tuple[float, float]]] = []  # for each accepted mask, the scores of what finds it
    accepted = 0
    for number in sorted(done[:PICTURES]):
        picture = project.pictures.get(number)
        found = segmenter.everything(picture.path, LOOSE)
        masks = [mask.mask for mask in project.work.of(number, "accepted", kept=True)]
        accepted += len(masks)
        if not len(found) or found.stability_scores is None:
            continue
        scores = list(zip(found.scores.tolist(), found.stability_scores.tolist(), strict=True))
        rows += scores
        table = iou_matrix(masks, found.masks)
        best += [[scores[place] for place in np.flatnonzero(line >= FOUND)] for line in table if line.max() >= FOUND]
    if not best:
        raise InputError(
            "No accepted mask is found by an automatic search, so its thresholds cannot be chosen: label more "
            "pictures, or give --pred-iou-thresh and --stability-score-thresh."
        )
    table = np.array(rows)
    choices: list[tuple[float, float, float, float]] = []
    for score in SCORES:
        for stability in STABILITIES:
            kept = np.mean([any(a > score and b >= stability for a, b in finders) for finders in best])
            passing = np.mean((table[:, 0] > score) & (table[:, 1] >= stability))
            choices.append((score, stability, float(kept), float(passing)))
    good = [choice for choice in choices if choice[2] >= keep] or [max(choices, key=lambda choice: choice[2])]
    score, stability, kept, passing = min(good, key=lambda choice: (choice[3], -choice[0]))
    return Thresholds(score, stability, kept, passing, len(best) / accepted, min(len(done), PICTURES))
