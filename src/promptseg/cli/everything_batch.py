"""The half of `promptseg everything` that works on many pictures: SA-1B files, workers, resuming."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptseg.cli.progress import progress_bar, say_skipped
from promptseg.errors import InputError, OutputError
from promptseg.runtimes.options import EngineOptions

if TYPE_CHECKING:
    from promptseg.batch import BatchSummary, LabelerSettings, PictureOutcome
    from promptseg.images.bands import ReadingOptions
    from promptseg.segment.everything.options import EverythingOptions

CREWS = ("local", "ray")
FORMAT = "sa1b"


def is_wanted(source: str, formats: Sequence[str], workers: int, crew: str) -> bool:
    """Returns whether the request is for SA-1B files: by its format, or because the source is many pictures.

    Raises:
        InputError: the parts of the request do not fit together.
    """
    from promptseg.batch.sources import is_batch

    if crew not in CREWS:
        raise InputError(f"Unknown engine {crew!r}: expected one of {', '.join(CREWS)}.")
    if workers < 1:
        raise InputError(f"--workers must be at least 1, got {workers}.")
    many, wanted = is_batch(source), list(formats)
    if wanted == [FORMAT] or (many and not wanted):
        return True
    if many:
        raise InputError(f"{source} stands for many pictures, which are written as --format sa1b only.")
    if FORMAT in wanted:
        raise InputError("--format sa1b stands alone: write the other formats in a run of their own.")
    if workers > 1 or crew != "local":
        raise InputError("--workers and --engine are for --format sa1b.")
    return False


def many_pictures(
    source: str,
    output: str,
    engine: EngineOptions,
    search: "EverythingOptions",
    reading: "ReadingOptions",
    *,
    crew: str,
    workers: int,
    overwrite: bool = False,
) -> None:
    """Labels many pictures, prints the files written, and reports the rest on stderr.

    Raises:
        Exit: pictures failed; the exit code is 1.
        InputError: there are no pictures, or the folder holds records of other settings.
        OutputError: a record cannot be written.
    """
    from promptseg.batch import LabelerSettings

    if crew == "local":  # in Ray, an actor has one thread unless told otherwise
        engine = engine.shared(workers)
    settings = LabelerSettings(engine=engine, options=search, reading=reading)
    summary = _run(source, output, crew, workers, settings, overwrite)
    print(
        f"{summary.labelled} pictures with {summary.masks} masks, {summary.skipped} done before, "
        f"{len(summary.failed)} failed",
        file=sys.stderr,
    )
    if summary.failed:
        raise click.exceptions.Exit(1)


def _run(
    source: str, output: str, crew: str, workers: int, settings: "LabelerSettings", overwrite: bool
) -> "BatchSummary":
    with progress_bar("pictures") as follow:

        def report(outcome: "PictureOutcome") -> None:
            follow(outcome.done, outcome.total)
            if outcome.error:
                say_skipped(outcome.name, outcome.error)
            else:
                _say(outcome.output)

        if crew == "ray":
            from promptseg.batch.ray_engine import label_with_ray

            return label_with_ray(source, output, settings, actors=workers, overwrite=overwrite, on_outcome=report)
        from promptseg.batch import find_pictures, label_pictures

        for place in (source, output):
            if "://" in place:
                raise InputError(f"{place} is an address, which --engine ray reads and writes.")
        items = find_pictures(source)
        return label_pictures(items, output, settings, workers=workers, overwrite=overwrite, on_outcome=report)


def _say(path: str) -> None:
    """Prints a path at once, for whoever follows the run."""
    try:
        print(path, flush=True)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputError(f"Cannot write the output: {error.strerror or error}.") from error
