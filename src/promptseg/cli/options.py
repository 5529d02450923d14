"""Options that several verbs share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from promptseg.cli.command import Function, argument
from promptseg.runtimes.options import EngineOptions

if TYPE_CHECKING:
    from promptseg.images.bands import ReadingOptions

PATH = click.Path(path_type=Path)

output = click.option("-o", "--output", type=PATH, help="Folder for the results.", metavar="DIR")
image = argument("image", "The picture (JPEG, PNG, WebP, TIFF, BMP, GIF); - reads it from standard input.")


def gathered(
    name: str, make: Callable[..., Any], **options: Callable[[Function], Function]
) -> Callable[[Function], Function]:
    """Gives a verb options whose values reach it as one.

    Args:
        name: the verb's parameter.
        make: makes its value of those of the options, by their names.
        options: the options, in the order of the help.
    """

    def decorate(verb: Any) -> Any:
        @wraps(verb)
        def called(**given: Any) -> None:
            value = make(**{option: given.pop(option) for option in options})
            verb(**given, **{name: value})

        decorated: Any = called
        for option in reversed(options.values()):
            decorated = option(decorated)
        return decorated

    return decorate


def fields_of(
    kind: type[Any],
    name: str,
    *,
    only: Sequence[str] = (),
    make: Callable[..., Any] | None = None,
    helps: Mapping[str, str] | None = None,
) -> Callable[[Function], Function]:
    """Gives a verb an option for each field of a dataclass; the verb gets an object of it.

    A field's metadata hold its `help`, perhaps how its default is `shown`, and the `metavar` of a path.

    Args:
        kind: the dataclass.
        name: the verb's parameter.
        only: the fields, by default all.
        make: makes the object of the values that were given, where the class itself does not.
        helps: other words for single fields.
    """

    def given(**values: Any) -> Any:
        return (make or kind)(**{field: value for field, value in values.items() if value is not None})

    chosen = [item for item in fields(kind) if item.name in (only or (item.name,))]
    return gathered(name, given, **{item.name: _option(item, helps or {}) for item in chosen})


def _option(item: Field[Any], helps: Mapping[str, str]) -> Any:
    text = helps.get(item.name, item.metadata["help"])
    metavar = item.metadata.get("metavar")
    numeric = (number for number in (int, float) if number in (item.type, *get_args(item.type)))
    shown = item.metadata.get("shown", item.default)
    return click.option(
        f"--{item.name.replace('_', '-')}",
        type=PATH if metavar else next(numeric, str),
        help=text if shown is None else f"{text}  [default: {shown}]",
        metavar=metavar,
    )


def reading(verb: Function) -> Function:
    """Gives a verb options of how pictures are read; it gets `ReadingOptions` as `reading`."""
    return gathered(
        "reading",
        _reading,
        page=click.option("--page", type=int, help="Page or frame of a file of several, from 1.", metavar="N"),
        channels=click.option(
            "--channels",
            help="Channels that become red, green and blue, or one that becomes grey; like 4,3,2.",
            metavar="N,N,N",
        ),
        levels=click.option(
            "--levels",
            help="How numbers of more than 8 bits become 256 levels: auto (the fewest of 8, 10, 12, 14 or 16 bits "
            "that hold them all), full (all bits), stretch (1st to 99th percentile), or the numbers that become "
            "black and white, like 0,4095.  [default: auto]",
            metavar="LEVELS",
        ),
    )(verb)


def _reading(page: int | None, channels: str | None, levels: str | None) -> "ReadingOptions":
    from promptseg.images.bands import ReadingOptions

    return ReadingOptions.of_text(page, channels, levels)


overwrite = click.option(
    "--overwrite", is_flag=True, help="Replace what is there of this picture; without it that is an error."
)
overwrite_file = click.option("--overwrite", is_flag=True, help="Replace what is there; without it that is an error.")


def speech(verb: Function) -> Function:
    """Gives a verb the options of how recordings are understood: `speech_model` and `language`."""
    return speech_model(
        click.option(
            "--language", help="What recordings are spoken in: en or ja; default: it is heard.", metavar="CODE"
        )(verb)
    )


speech_model = click.option(
    "--speech-model",
    help="What writes recordings down: a folder with Whisper for CTranslate2, or a name of `promptseg models`; "
    "default: the largest that was downloaded.",
    metavar="DIR",
)

ENGINE = ("model", "weights", "runtime", "precision", "device", "threads")
"""What every verb with an engine lets one choose."""


def engine(*chosen: str, **helps: str) -> Callable[[Function], Function]:
    """Gives a verb options of the model and of what computes it, by default `ENGINE`; it gets one `EngineOptions`."""
    return fields_of(EngineOptions, "engine", only=chosen or ENGINE, helps=helps)


def names(text: str | None) -> list[str] | None:
    """Reads `cat, dog, sofa`; None stays None."""
    return None if text is None else [name for part in text.split(",") if (name := part.strip())]
