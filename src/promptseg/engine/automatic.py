"""Stage 3: automatic masks of every picture, in parts that are whole or not there, on workers or on Ray.

Nobody holds the list of all pictures. A part is a range of their numbers; whoever labels it reads those pictures from
the database, and writes one shard of SA-1B records. What is told back is a line. A run that was killed goes on with the
parts that are missing.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from promptseg.batch.labeler import Labeler, LabelerSettings
from promptseg.batch.pool import LabelerAnswer, MakeLabeler, label_here, label_in_processes
from promptseg.batch.ray_engine import answers_with_ray
from promptseg.batch.sources import Item
from promptseg.engine.project import Project
from promptseg.engine.records import ProjectPicture, path_of
from promptseg.engine.shards.entries import SA1BEntry, entries
from promptseg.engine.shards.writing import write_tar
from promptseg.errors import InputError, OutputError, PromptsegError
from promptseg.formats.sa1b import sa1b_text
from promptseg.images import Image
from promptseg.progress import Progress

Crew: TypeAlias = Literal["local", "ray"]
"""What runs the workers."""

PART = 100
"""Pictures of one part: what is lost, at most, with a worker."""

LARGEST = 0.95
"""Masks of a larger share of the picture are dropped, as in the paper."""

CLEANED = {"min_mask_region_area": 100}
PAPER = {**CLEANED, "crop_n_layers": 2, "crop_n_points_downscale_factor": 2}
"""The paper's search beside its filters: 32 x 32 points, crops of 16 x 16 and 8 x 8, regions cleaned."""

MOST_DEATHS = 5
"""Pictures of one part that may end a worker before the part is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartSettings(LabelerSettings):
    """What a worker of stage 3 is made of.

    Attributes:
        project: the project's folder, which every machine sees.
        run: the name of the run; its shards lie in `automatic/<run>` of the folder.
    """

    project: str
    run: str


@dataclass(frozen=True, slots=True)
class AutomaticSummary:
    """What a run of stage 3 did.

    Attributes:
        run: its name.
        parts: that are there now.
        labelled: parts that were made just now.
        pictures: with records, in all parts.
        masks: in all parts.
        failed: how many pictures could not be labelled, in all parts.
    """

    run: str
    parts: int
    labelled: int
    pictures: int
    masks: int
    failed: int


class PartLabeler(Labeler):
    """Labels a range of pictures and writes their records as one shard.

    Args:
        settings: see `PartSettings`.
    """

    def __init__(self, settings: PartSettings) -> None:
        self._project = Project(settings.project)
        self._folder = Path(settings.project) / "automatic" / settings.run
        self._prepare(settings)

    def _prepare(self, settings: PartSettings) -> None:
        """Loads the model."""
        super().__init__(settings)

    def label(self, name: str, source: Any) -> str:
        """Labels a part.

        Args:
            name: `part-<number>`.
            source: the first and last number of its pictures, and those to leave out, with spaces between.

        Returns:
            What is told of it, as JSON: file, bytes, pictures, masks, and why pictures failed.
        """
        first, last, *skipped = map(int, str(source).split())
        failed: dict[str, str] = {}
        masks = 0
        marker = self._folder / f".{name}.at"

        def records() -> Iterator[SA1BEntry]:
            nonlocal masks
            for picture in self._project.pictures.each(after=first - 1, last=last):
                if picture.id in skipped:
                    failed[picture.name] = "A worker process died of it."
                    continue
                os.pwrite(at, f"{picture.id:020d}".encode(), 0)
                try:
                    text, count = self.record(picture)
                except OutputError:
                    raise
                except PromptsegError as error:
                    failed[picture.name] = str(error)
                except MemoryError:
                    failed[picture.name] = f"{picture.name} does not fit into memory."
                except Exception as error:
                    failed[picture.name] = f"{picture.name}: unexpected {type(error).__name__}: {error}"
                else:
                    masks += count
                    yield SA1BEntry(f"sa_{picture.id}", picture.name, text.encode())

        file = self._folder / f"{name}.tar"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            at = os.open(marker, os.O_WRONLY | os.O_CREAT, 0o666)  # who dies of a picture leaves its number here
            try:
                pictures = write_tar(file, records())
            finally:
                os.close(at)
            marker.unlink(missing_ok=True)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"Cannot write {self._folder}: {error}.") from error
        told = {"bytes": file.stat().st_size, "pictures": pictures, "masks": masks, "failed": failed}
        return json.dumps(told)

    def record(self, picture: ProjectPicture) -> tuple[str, int]:
        """Returns the record of one picture as JSON text, and how many masks it has.

        Raises:
            ImageError: the picture cannot be read.
        """
        found = self._segmenter.everything(Image.open(picture.path, name=picture.name), self._options)
        small = np.flatnonzero(found.areas < LARGEST * found.size.height * found.size.width)
        found = found[small.tolist()]
        return sa1b_text(found, picture.name, picture.id), len(found)


def label_automatically(
    project: Project,
    settings: LabelerSettings,
    *,
    workers: int = 1,
    crew: Crew = "local",
    part: int = PART,
    progress: Progress | None = None,
    make: Callable[[PartSettings], Any] = PartLabeler,
) -> AutomaticSummary:
    """Finds automatic masks of all pictures of a project; a run that was stopped or killed goes on.

    Args:
        project: the project; it enters stage 3.
        settings: the version in use (`project.versions.engine()`), and how masks are found. Other settings make a run
            of their own.
        workers: processes, or actors of Ray.
        crew: "local", or "ray".
        part: pictures of one part.
        progress: called with the parts that are done.
        make: what makes the labeler of a worker.

    Raises:
        InputError: a number is out of range.
        UnavailableError: Ray is not installed.
        OutputError: a part cannot be written.
    """
    if workers < 1 or part < 1:
        raise InputError(f"There is at least 1 worker, and a part has at least 1 picture; got {workers} and {part}.")
    essence = json.dumps([settings.essence(), part], sort_keys=True)
    run = hashlib.sha256(essence.encode()).hexdigest()[:12]
    folder = os.path.abspath(project.folder)
    parts = PartSettings(
        engine=settings.engine, options=settings.options, reading=settings.reading, project=folder, run=run
    )
    version, options = project.versions.current.number, asdict(settings.options)
    project.note("automatic", {"run": run, "version": version, "options": options})
    project.enter_stage(3)
    last = int(project.database.value("select coalesce(max(id), 0) from pictures"))
    total = -(-last // part)
    waiting = [
        Item(f"part-{number:06d}", f"{number * part + 1} {min(last, (number + 1) * part)}")
        for number in _missing(project, run, total, part)
    ]
    labelled = 0
    while waiting:
        again: list[Item] = []
        with closing(_answers(parts, waiting, workers, crew, make)) as answers:
            for answer in answers:
                if answer.error:
                    again.append(_without_culprit(project, run, answer))
                    continue
                _keep(project, run, answer)
                labelled += 1
                if progress is not None:
                    progress(total - len(waiting) + labelled, total)
        waiting = again
    return _summary(project, run, labelled)


def _missing(project: Project, run: str, total: int, part: int) -> list[int]:
    """Returns the parts whose shards are not in place, whole, and one that pictures were added to."""
    newest = int(project.database.value("select coalesce(max(id), 0) from pictures"))
    rows = project.database.rows("select number, file, bytes, last from parts where run = ?", run)
    done: set[int] = set()
    for number, file, size, last in rows:
        path = path_of(project.folder, file)
        if last == min(newest, (number + 1) * part) and path.is_file() and path.stat().st_size == size:
            done.add(number)
    return [number for number in range(total) if number not in done]


def _answers(settings: PartSettings, items: list[Item], workers: int, crew: Crew, make: Any) -> Any:
    chosen: MakeLabeler = make
    if crew == "ray":
        return answers_with_ray(settings, items, workers, chosen)
    if workers == 1:
        return label_here(settings, items, chosen)
    return label_in_processes(settings, items, min(workers, len(items)), chosen)


def _keep(project: Project, run: str, answer: LabelerAnswer) -> None:
    told = json.loads(answer.record)
    first, last = map(int, answer.item.path.split()[:2])
    file = f"automatic/{run}/{answer.item.name}.tar"
    with project.database.change() as db:
        db.execute(
            "insert or replace into parts values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run,
                int(answer.item.name.removeprefix("part-")),
                first,
                last,
                file,
                told["bytes"],
                told["pictures"],
                told["masks"],
                json.dumps(told["failed"]),
            ),
        )


def _without_culprit(project: Project, run: str, answer: LabelerAnswer) -> Item:
    """Returns a part that ended its worker, less the picture that it was at.

    Raises:
        OutputError: that happened too often, or it was no picture's fault.
    """
    marker = project.folder / "automatic" / run / f".{answer.item.name}.at"
    culprit = marker.read_text().lstrip("0") if marker.is_file() else ""
    skipped = answer.item.path.split()[2:]
    if not culprit or culprit in skipped or len(skipped) >= MOST_DEATHS:
        raise OutputError(f"{answer.item.name} of the automatic masks failed: {answer.error}")
    return Item(answer.item.name, f"{answer.item.path} {culprit}")


def _summary(project: Project, run: str, labelled: int) -> AutomaticSummary:
    row = project.database.row(
        "select count(*), coalesce(sum(pictures), 0), coalesce(sum(masks), 0) from parts where run = ?", run
    )
    failed = project.database.rows("select failed from parts where run = ? and failed <> '{}'", run)
    parts, pictures, masks = row or (0, 0, 0)
    return AutomaticSummary(run, parts, labelled, pictures, masks, sum(len(json.loads(text)) for (text,) in failed))


def automatic_entries(project: Project) -> Iterator[SA1BEntry]:
    """Yields the records of the newest run, picture after picture; none where there was no run.

    Raises:
        FormatError: a shard is damaged or gone.
    """
    noted: Any = project.noted("automatic")
    if not isinstance(noted, Mapping):
        return
    rows = project.database.rows("select file, pictures from parts where run = ? order by number", noted["run"])
    for file, pictures in rows:
        if pictures:
            yield from entries(path_of(project.folder, file))
