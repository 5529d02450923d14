"""Stage 2: confident masks are proposed, and people add what is missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

import numpy as np

from promptseg.engine.detector import LOOSE, CandidateExample, ObjectDetector, describe
from promptseg.engine.project import Project
from promptseg.engine.records import ProjectMask, ProjectPicture, chosen_by_chance
from promptseg.errors import InputError, PromptsegError
from promptseg.masks.overlap import mask_nms
from promptseg.masks.segments import Segments
from promptseg.progress import Progress
from promptseg.runtimes.options import EngineOptions
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.sam import SamSegmenter
from promptseg.segment.segmenter import Segmenter

MOST_EXAMPLES = 300
"""Finished pictures that the detector learns from, at most."""

OVERLAP = 0.5
"""Of two proposals with a larger IoU the likelier one stays."""


@dataclass(frozen=True, slots=True)
class PrefillSummary:
    """What a run of stage 2 did.

    Attributes:
        pictures: that were looked at.
        masks: that were proposed.
        threshold: the confidence from which masks were proposed.
        precision: share of right proposals in the cross-validation on accepted masks.
        recall: share of right candidates that were proposed in it.
        failed: pictures that could not be read, with the reason.
    """

    pictures: int
    masks: int
    threshold: float
    precision: float
    recall: float
    failed: dict[str, str]


def segmenter_of(project: Project, engine: EngineOptions | None = None) -> SamSegmenter:
    """Returns the segmenter of the version in use; embeddings are kept in the project.

    Raises:
        WeightsError: its weights are gone or are other ones.
    """
    given = engine or EngineOptions()
    version = project.versions.engine(
        runtime=given.runtime,
        precision=given.precision,
        device=given.device,
        threads=given.threads,
        cache=project.folder / "cache" / "embeddings",
    )
    return cast(SamSegmenter, Segmenter.of(version))


def candidates(segmenter: SamSegmenter, path: str) -> tuple[EmbeddedImage, Segments]:
    """Searches a picture for everything that may be an object."""
    embedded = segmenter.embed(path)
    return embedded, segmenter.everything(embedded, LOOSE)


def prefill(
    project: Project,
    *,
    limit: int | None = None,
    precision: float | None = None,
    engine: EngineOptions | None = None,
    progress: Progress | None = None,
) -> PrefillSummary:
    """Proposes confident masks on pictures that nobody has labelled yet; a run that was stopped goes on.

    The detector learns anew from all accepted masks each time. Pictures that two people label are left empty, so that
    their agreement is theirs; those that somebody has in hand are left to them.

    Args:
        project: the project; it enters stage 2.
        limit: at most so many pictures.
        precision: the share of proposals that shall be right; by default three quarters.
        engine: what computes, with the version in use.
        progress: called after each picture.

    Raises:
        InputError: too little is labelled for the detector to learn, or a number is out of range.
        WeightsError: the weights of the version in use are gone.
        OutputError: the database cannot be written.
    """
    if precision is not None and not 0 < precision < 1:
        raise InputError(f"The precision is a share above 0 and below 1, got {precision}.")
    if limit is not None and limit < 1:
        raise InputError(f"The limit of pictures must be at least 1, got {limit}.")
    segmenter = segmenter_of(project, engine)
    detector = learn(project, segmenter, precision)
    project.note("detector", {**detector.to_json(), "version": project.versions.current.number})
    project.enter_stage(2)
    version = project.versions.current.number
    failed: dict[str, str] = {}
    count = masks = 0
    chosen = list(islice(_waiting(project), limit)) if limit else None
    total = len(chosen) if chosen is not None else _count(project)
    for picture in chosen if chosen is not None else _waiting(project):
        if not project.work.untouched(picture.id):
            continue
        try:
            project.pictures.check_content(picture)
            found = proposals(segmenter, picture, detector, version)
        except PromptsegError as error:
            failed[picture.name] = str(error)
            continue
        with project.database.change():
            if not project.work.untouched(picture.id):  # somebody was quicker, who would not see what is proposed now
                continue
            project.work.propose(picture.id, found)
        count, masks = count + 1, masks + len(found)
        if progress is not None:
            progress(count + len(failed), total)
    return PrefillSummary(count, masks, detector.threshold, detector.precision, detector.recall, failed)


def learn(project: Project, segmenter: SamSegmenter, precision: float | None = None) -> ObjectDetector:
    """Trains the detector on the finished pictures that are not held out.

    Raises:
        InputError: too little is labelled.
    """
    examples: list[CandidateExample] = []
    done = [each.id for each in project.pictures.each("done", held=False, labelled=True)]
    seed = project.settings.seed
    done.sort(key=lambda number: chosen_by_chance(seed, "detector", str(number)))
    for number in sorted(done[:MOST_EXAMPLES]):
        picture = project.pictures.get(number)
        embedded, found = candidates(segmenter, picture.path)
        accepted = [mask.mask for mask in project.work.of(number, "accepted", kept=True)]
        if len(found):
            examples.append(CandidateExample.of(embedded, found, accepted))
    given = {} if precision is None else {"precision": precision}
    return ObjectDetector.learned(examples, **given)


def proposals(
    segmenter: SamSegmenter, picture: ProjectPicture, detector: ObjectDetector, version: int
) -> list[ProjectMask]:
    """Returns the masks of a picture of which the detector is confident, the likeliest first."""
    embedded, found = candidates(segmenter, picture.path)
    if not len(found):
        return []
    chances = detector.chances(describe(embedded, found))
    sure = np.flatnonzero(chances >= detector.threshold)
    kept = sure[mask_nms([found.masks[place] for place in sure], chances[sure], OVERLAP)]
    return [
        ProjectMask(
            picture.id,
            found.masks[place],
            stage=2,
            version=version,
            score=float(chances[place]),
            stability=None if found.stability_scores is None else float(found.stability_scores[place]),
            points=tuple((float(point.x), float(point.y)) for point in found.prompts[place] or ()),
        )
        for place in kept.tolist()
    ]


def _waiting(project: Project) -> Iterator[ProjectPicture]:
    for picture in project.pictures.each("waiting"):
        if picture.wanted == 1 and not picture.prefilled:
            yield picture


def _count(project: Project) -> int:
    query = "select count(*) from pictures where state = 'waiting' and wanted = 1 and first = 0"
    return int(project.database.value(query))
