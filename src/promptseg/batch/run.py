"""A run over many pictures on one machine: resumable, and safe to kill at any moment."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from promptseg.batch.labeler import Labeler, LabelerSettings
from promptseg.batch.manifest import Entry, Manifest, picture_mark
from promptseg.batch.pool import LabelerAnswer, MakeLabeler, label_here, label_in_processes
from promptseg.batch.sources import Item
from promptseg.errors import FormatError, InputError, OutputError
from promptseg.files import check_new, write_bytes
from promptseg.formats.reading import read_json
from promptseg.formats.sa1b import check_sa1b

_LEFTOVER = re.compile(r"\.(.{1,40})\.[0-9a-f]{16}\.part", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PictureOutcome:
    """What became of one picture just now.

    Attributes:
        name: the picture.
        output: path or address of its record; empty when it failed.
        masks: how many masks it has.
        error: why it failed, else empty.
        done: how many pictures are finished, those of earlier runs and failed ones among them.
        total: how many there are.
    """

    name: str
    output: str
    masks: int
    error: str
    done: int
    total: int


OnPicture: TypeAlias = Callable[[PictureOutcome], None]


@dataclass(slots=True)
class BatchSummary:
    """What a run did.

    Attributes:
        labelled: records written.
        masks: masks in them.
        skipped: pictures whose records were there already.
        failed: why pictures failed, by name.
    """

    labelled: int = 0
    masks: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict[str, str])


def label_pictures(
    items: Sequence[Item],
    folder: str | os.PathLike[str],
    settings: LabelerSettings,
    *,
    workers: int = 1,
    overwrite: bool = False,
    on_outcome: OnPicture | None = None,
    make: MakeLabeler = Labeler,
) -> BatchSummary:
    """Finds all masks of many pictures and writes one SA-1B file for each.

    A picture is done when its record is in place and the manifest says so; running again does the rest, and tries
    failed pictures once more. Killed at any moment, a run loses at most the pictures in hand.

    Args:
        items: the pictures, see `find_pictures`.
        folder: where the records and the manifest go.
        settings: the model and the options.
        workers: processes; 1 labels in this process.
        overwrite: whether pictures that were replaced after their record was written are labelled again.
        on_outcome: called after each picture.
        make: what makes the labeler of a worker.

    Raises:
        InputError: `folder` holds records made with other settings, or another run is at work in it.
        WeightsError: the weights are not at hand or do not fit the model.
        OutputError: a picture was replaced after its record was written, or another file stands where a record belongs,
            or a record cannot be written; what was written before stays.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}.")
    with Manifest(folder, settings.essence()) as manifest:
        outputs = manifest.outputs(item.name for item in items)
        sweep(manifest.folder, (outputs[item.name] for item in items))
        pending = undone(manifest, items, outputs, overwrite=overwrite)
        summary = BatchSummary(skipped=len(items) - len(pending))
        if not pending:
            return summary
        answers = (
            label_here(settings, pending, make)
            if workers == 1
            else label_in_processes(settings, pending, min(workers, len(pending)), make)
        )
        with closing(answers):
            for number, answer in enumerate(answers, start=summary.skipped + 1):
                output = outputs[answer.item.name]
                entry = keep(partial(write_bytes, manifest.folder / output), output, answer)
                entry = replace(entry, picture="" if entry.error else picture_mark(answer.item.path))
                manifest.add(entry)
                tell(entry, manifest.folder, (number, len(items)), summary, on_outcome)
        return summary


def undone(manifest: Manifest, items: Sequence[Item], outputs: Mapping[str, str], *, overwrite: bool) -> list[Item]:
    """Returns the pictures without a record.

    Args:
        manifest: what was done.
        items: all pictures.
        outputs: their records.
        overwrite: whether records of pictures that were replaced since, and files of other origin, give way.

    Raises:
        OutputError: there are such, and they may not.
    """
    stale = [item for item in items if manifest.is_stale(item.name, item.path)]
    if stale and not overwrite:
        raise OutputError(
            f"{stale[0].name} was replaced after its record was written ({len(stale)} in all). Label such pictures "
            "again with --overwrite, or choose another folder with -o."
        )
    again = {item.name for item in stale}
    pending = [item for item in items if item.name in again or not manifest.is_done(item.name)]
    for item in pending:
        path = manifest.folder / outputs[item.name]
        # A run that was killed may have left a record of which the manifest does not know yet.
        if path.exists() and item.name not in manifest.entries and (manifest.fresh or not _is_record(path)):
            check_new(path, overwrite=overwrite, source=item.path)
    return pending


def _is_record(path: Path) -> bool:
    try:
        check_sa1b(read_json(path))
    except FormatError:
        return False
    return True


def keep(write: Callable[[bytes], None], output: str, answer: LabelerAnswer) -> Entry:
    """Puts a record into its place, `output`, whole or not at all, and returns the entry for the manifest.

    Raises:
        OutputError: it cannot be written.
    """
    if answer.error:
        return Entry(answer.item.name, error=answer.error)
    content = answer.record.encode()
    write(content)
    masks = len(json.loads(answer.record)["annotations"])
    return Entry(answer.item.name, output, len(content), masks)


def tell(
    entry: Entry, folder: str | Path, progress: tuple[int, int], summary: BatchSummary, on_outcome: OnPicture | None
) -> None:
    """Counts an entry and reports it."""
    if entry.error:
        summary.failed[entry.name] = entry.error
    else:
        summary.labelled += 1
        summary.masks += entry.masks
    if on_outcome is not None:
        output = "" if entry.error else os.path.join(folder, entry.output)
        on_outcome(PictureOutcome(entry.name, output, entry.masks, entry.error, *progress))


def sweep(folder: Path, outputs: Iterable[str]) -> None:
    """Deletes what killed runs left behind: temporary files of these records."""
    beginnings: dict[Path, set[str]] = {}
    for output in map(PurePosixPath, outputs):
        beginnings.setdefault(folder / output.parent, set()).add(output.name[:40])
    for place, names in beginnings.items():
        for path in place.glob(".*.part"):
            leftover = _LEFTOVER.fullmatch(path.name)
            if leftover and leftover[1] in names:
                with suppress(OSError):
                    path.unlink()
