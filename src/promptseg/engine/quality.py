"""How good the automatic masks are: people mend a sample, and the IoU before and after says how much there was to mend.

As in the paper: a sample of pictures with all their automatic masks goes to annotators, who accept, correct or reject.
"""

import heapq
from dataclasses import dataclass

import numpy as np

from promptseg.engine.automatic import automatic_entries
from promptseg.engine.project import Project
from promptseg.engine.records import ProjectMask, chosen_by_chance
from promptseg.errors import InputError
from promptseg.masks.overlap import iou


@dataclass(frozen=True, slots=True)
class Quality:
    """What people thought of a sample of automatic masks.

    Attributes:
        pictures: that they have finished.
        masks: automatic masks in them.
        accepted: that were good as they were.
        corrected: that were mended.
        rejected: that are no object.
        above_90: share of the accepted and corrected ones whose IoU with what became of them is above 0.9.
        above_75: the same above 0.75.
        iou: its mean.
    """

    pictures: int
    masks: int
    accepted: int
    corrected: int
    rejected: int
    above_90: float
    above_75: float
    iou: float


def sample_for_review(project: Project, pictures: int, *, masks: int | None = None) -> int:
    """Gives a random sample of automatically labelled pictures to people, who look at every mask.

    Args:
        project: which has been through stage 3.
        pictures: how many; those that were drawn before stay in the sample and count.
        masks: at most so many masks of each picture, drawn at random.

    Returns:
        How many pictures were added to the sample.

    Raises:
        InputError: a number is out of range, or there are no automatic masks.
        OutputError: the database cannot be written.
    """
    if pictures < 1 or (masks is not None and masks < 1):
        raise InputError(f"The sample has at least 1 picture and 1 mask of each, got {pictures} and {masks}.")
    seed = project.settings.seed
    names = (entry.name for entry in automatic_entries(project))
    chosen = {name for _, name in heapq.nsmallest(pictures, ((chosen_by_chance(seed, "review", n), n) for n in names))}
    if not chosen:
        raise InputError(f"{project.folder} has no automatic masks yet. Make them with: promptseg engine auto")
    version = project.versions.current.number
    added = 0
    for entry in automatic_entries(project):
        if entry.name not in chosen:
            continue
        record = entry.read()
        number = record.image_id
        if project.database.value("select count(*) from masks where picture = ? and review = 1", number):
            continue
        segments = record.segments
        order = sorted(range(len(segments)), key=lambda n, k=number: chosen_by_chance(seed, "mask", f"{k} {n}"))
        stability = segments.stability_scores
        found = [
            ProjectMask(
                number,
                segments.masks[place],
                stage=3,
                version=version,
                score=float(segments.scores[place]),
                stability=None if stability is None else float(stability[place]),
                points=tuple((float(point.x), float(point.y)) for point in segments.prompts[place] or ()),
                review=True,
            )
            for place in sorted(order[:masks])
        ]
        with project.database.change() as db:
            project.work.propose(number, found)
            db.execute("update pictures set state = 'review' where id = ?", (number,))
        added += 1
    return added


def quality(project: Project) -> Quality:
    """Sums up what people have done with the sample so far; NaN where they have done nothing."""
    db = project.database
    ious: list[float] = []
    counts = {"accepted": 0, "corrected": 0, "rejected": 0}
    query = "select id, corrects from masks where corrects is not null"
    better = {before: number for number, before in db.stream(query)}
    for (number,) in db.stream("select id from masks where review = 1 and state <> 'proposed'"):
        mask = project.work.get(number)
        counts[mask.state] += 1
        if mask.state == "accepted":
            ious.append(1.0)
        elif mask.state == "corrected" and number in better:
            ious.append(iou(mask.mask, project.work.get(better[number]).mask))
    found = np.array(ious)
    pictures = db.value(
        "select count(distinct picture) from visits where stage = 3 and state = 'done' and picture in "
        "(select picture from masks where review = 1)"
    )
    return Quality(
        pictures=int(pictures),
        masks=sum(counts.values()),
        **counts,
        above_90=float((found > 0.9).mean()) if ious else float("nan"),
        above_75=float((found > 0.75).mean()) if ious else float("nan"),
        iou=float(found.mean()) if ious else float("nan"),
    )
