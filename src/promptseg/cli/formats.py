"""The option --format, as the table of formats has it."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from promptseg.cli.command import Function
from promptseg.errors import InputError


class FormatOption(click.Option):
    """-f; the table is read when the option is given, or its help asked for, and not before.

    Args:
        default_formats: what is written when nothing is said.
        batch: whether formats that are for whole folders alone are taken, too.
    """

    def __init__(self, *arguments: Any, default_formats: Sequence[str], batch: bool, **settings: Any) -> None:
        super().__init__(*arguments, multiple=True, metavar="FORMAT", **settings)
        self._default, self._batch = default_formats, batch

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Returns the names of the formats, and what each is."""
        from promptseg.formats.table import FORMATS, format_names

        *some, last = (f"{name} ({FORMATS[name].help})" for name in format_names())
        self.help = f"{', '.join(some)} or {last}. May be repeated."
        for name in format_names(batch=self._batch)[len(some) + 1 :]:
            self.help += f" Or {name} alone: {FORMATS[name].help}."
        return super().get_help_record(ctx)

    def process_value(self, ctx: click.Context, value: Any) -> list[str]:
        """Returns the names that were given, or else the default ones.

        Raises:
            InputError: a name is not in the table.
        """
        from promptseg.formats.table import format_names

        known = format_names(batch=self._batch)
        for name in value or ():
            if name not in known:
                raise InputError(f"Unknown format {name!r}: expected one of {', '.join(known)}.")
        return list(value or self._default)


def formats(*default: str, batch: bool = False) -> Callable[[Function], Function]:
    """Gives a verb --format; it gets the names as `formats`, checked (see `FormatOption`)."""
    return click.option("-f", "--format", "formats", cls=FormatOption, default_formats=default, batch=batch)
