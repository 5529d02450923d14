"""The option --format, as the table of formats has it."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from promptseg.cli.command import Function
from promptseg.errors import InputError


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
