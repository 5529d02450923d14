"""The options --format, --tolerance, --coco and --overwrite: what is written of masks, and how."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptseg.cli.command import Function
from promptseg.cli.options import fields_of, overwrite
from promptseg.cli.streams import STREAM, picture_stem, results
from promptseg.errors import InputError
from promptseg.formats.options import WriteOptions

if TYPE_CHECKING:
    from promptseg.masks.segments import Segments


class FormatOption(click.Option):
    """-f; its help is made of the table of formats, which is read when the help is asked for and not before.

    Args:
        batch: whether the verb takes formats that are for whole folders alone, too.
    """

    def __init__(self, *arguments: Any, batch: bool, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._batch = batch

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Returns the names of the formats, and what each is."""
        from promptseg.formats.table import FORMATS, format_names

        *some, last = (f"{name} ({FORMATS[name].help})" for name in format_names())
        self.help = f"{', '.join(some)} or {last}. May be repeated."
        for name in format_names(batch=self._batch)[len(some) + 1 :]:
            self.help += f" Or {name} alone: {FORMATS[name].help}."
        return super().get_help_record(ctx)


def formats(*default: str, batch: bool = False) -> Callable[[Function], Function]:
    """Gives a verb --format; it gets the names as `formats`, checked.

    Args:
        default: what is written when nothing is said.
        batch: whether formats that are for whole folders alone are taken, too.
    """

    def checked(context: click.Context, option: click.Parameter, given: Sequence[str]) -> list[str]:
        from promptseg.formats.table import format_names

        known = format_names(batch=batch)
        for name in given:
            if name not in known:
                raise InputError(f"Unknown format {name!r}: expected one of {', '.join(known)}.")
        return [*(given or default)]

    return click.option(
        "-f", "--format", "formats", cls=FormatOption, batch=batch, multiple=True, callback=checked, metavar="FORMAT"
    )


def writing(verb: Function) -> Function:
    """Gives a verb the options of how files are written; it gets `writing` and `overwrite`."""
    return fields_of(WriteOptions, "writing", only=("tolerance", "coco"))(overwrite(verb))


def check_place(source: str, folder: Path, formats: Sequence[str], *, overwrite: bool) -> None:
    """Refuses, before anything is computed, a folder that holds files of the picture; see `check_free`."""
    from promptseg.formats.table import check_free

    if not overwrite and str(folder) != STREAM:
        check_free(picture_stem(source), folder, formats)


def put(
    segments: "Segments",
    source: str,
    folder: Path,
    formats: Sequence[str],
    picture: Any,
    *,
    writing: WriteOptions,
    overwrite: bool,
) -> None:
    """Writes the masks of a picture and prints the files.

    Args:
        segments: the masks.
        source: the picture's file.
        folder: where the files go; - is standard output.
        formats: their formats.
        picture: the picture.
        writing: how they are written.
        overwrite: whether older files give way.
    """
    from promptseg.formats.table import write

    chosen = replace(writing, source=None if source == STREAM else Path(source))
    stem = picture_stem(source)
    results(folder, lambda place: write(segments, stem, place, formats, picture, chosen, overwrite=overwrite))
