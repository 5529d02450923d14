"""How prompts are written on the command line: an option for each type, or a file of JSON."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from promptseg.cli.command import Function
from promptseg.errors import InputError, PromptError
from promptseg.prompts.request import Request
from promptseg.prompts.speech import check_language
from promptseg.prompts.types import PLACES, Audio, Mask, Prompt, Reference, Scribble, Text, prompt_from_json

Texts = Sequence[str]


def asked(verb: Function) -> Function:
    """Gives a verb the options that say what is asked for; it gets one `Request` as `request`."""

    @wraps(verb)
    def called(**given: Any) -> None:
        request = _request(**{name: given.pop(name) for name in OPTIONS})
        verb(**given, request=request)

    decorated: Any = called
    for option in reversed(OPTIONS.values()):
        decorated = option(decorated)
    return decorated


def _repeat(names: str, text: str, metavar: str) -> Callable[[Function], Function]:
    return click.option(*names.split(), multiple=True, help=text + " May be repeated.", metavar=metavar)


def _beside(kind: str) -> str:
    return "--not" if kind == "point" else f"--not-{kind}"


OPTIONS = {
    **{kind: _repeat(f"--{kind}", place.about, place.form.upper()) for kind, place in PLACES.items()},
    **{
        f"not_{kind}": _repeat(f"{_beside(kind)} not_{kind}", f"A {kind} beside the object.", place.form.upper())
        for kind, place in PLACES.items()
    },
    "scribble_width": click.option("--scribble-width", default=5.0, help="Width of the strokes in pixels."),
    "text": _repeat("--text", "What the object is called; everything that fits is found.", "PHRASE"),
    "reference": _repeat("--reference", "Its like in another picture.", "PICTURE:MASK"),
    "audio": _repeat("--audio", "A recording of what it is called.", "FILE"),
    "prompts": click.option(
        "--prompts",
        type=click.Path(path_type=Path),
        help="JSON file: a list of prompts of one object, or a list of such lists.",
        metavar="FILE",
    ),
}


def understood(request: Request, model: str | None, language: str | None) -> Request:
    """Returns a request in which recordings have their phrases, which are printed as well.

    Raises:
        PromptError: nothing is understood in a recording, or the language is unknown.
        UnavailableError: the extra `speech` is not installed.
        WeightsError: there is no such model.
    """
    check_language(language)
    if not any(isinstance(prompt, Audio) for prompts in request.objects for prompt in prompts):
        if model is not None or language is not None:
            raise InputError("--speech-model and --language are for recordings: give one with --audio FILE.")
        return request
    from promptseg.speech.hear import heard
    from promptseg.speech.whisper import Whisper

    writer = Whisper(model, language=language)
    objects = tuple(heard(prompts, writer) for prompts in request.objects)
    for prompt in dict.fromkeys(prompt for prompts in objects for prompt in prompts if isinstance(prompt, Audio)):
        print(f'{prompt.file} says "{prompt.phrase}"', file=sys.stderr)
    return Request(objects)


def _request(
    *, scribble_width: float, text: Texts, reference: Texts, audio: Texts, prompts: Path | None, **places: Texts
) -> Request:
    """Makes the request of what stands behind all options; each object has the negative prompts."""
    positive = [
        *_places(places, "", scribble_width),
        *(Text(phrase) for phrase in text),
        *(read_reference(pair) for pair in reference),
        *(Audio(file) for file in audio),
    ]
    negative = _places(places, "not_", scribble_width, positive=False)
    if prompts is not None:
        if positive or negative:
            raise PromptError("Give prompts either in --prompts FILE or as options, not both.")
        return _read_file(prompts)
    if not positive:
        raise PromptError(
            f"Show the object with at least one of {', '.join(f'--{kind}' for kind in PLACES)} or "
            "--prompts, or say what it is with --text, --audio or --reference."
        )
    return Request.against(positive, negative)


def _places(given: Mapping[str, Texts], sign: str, width: float, *, positive: bool = True) -> list[Prompt]:
    return [prompt for kind in PLACES for prompt in read_places(kind, given[sign + kind], width, positive=positive)]


def read_places(kind: str, texts: Texts, width: float, *, positive: bool = True) -> list[Prompt]:
    """Reads what stands behind the options of one type of place; `width` is that of strokes.

    Raises:
        PromptError: it is not of the type's form.
    """
    place = PLACES[kind]
    option = f"--{kind}" if positive else _beside(kind)
    more = {"width": width} if place is Scribble else {}
    return [place.from_text(text, option, positive=positive, **more) for text in texts]


def read_reference(text: str) -> Reference:
    """Reads `other.jpg:mask.png`: a picture, and a mask picture of what is meant in it."""
    from promptseg.images.mask_pictures import split_choice

    # Where several colons could part the two, the first that leaves a file on both sides does: `C:\\a.png:C:\\b.png`.
    places = [place for place, letter in enumerate(text) if letter == ":" and text[:place] and text[place + 1 :]]
    places = [place for place in places if not _is_drive(text, place)] or places
    if not places:
        raise PromptError(f"--reference expects PICTURE:MASK (like other.jpg:mask.png), got {text!r}.")
    there = [place for place in places if Path(text[:place]).exists()]
    place = next((place for place in there if Path(split_choice(text[place + 1 :])[0]).exists()), (there or places)[-1])
    return Reference(text[:place], Mask.from_text(text[place + 1 :], "--reference"))


def _is_drive(text: str, place: int) -> bool:
    """Tells whether the colon at a place follows the letter of a Windows drive: at the start, or behind a colon."""
    letter, before, after = text[place - 1 : place], text[max(place - 2, 0) : place - 1], text[place + 1 : place + 2]
    return letter.isascii() and letter.isalpha() and before in ("", ":") and after in ("\\", "/")


def _read_file(file: Path) -> Request:
    try:
        records = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        raise PromptError(f"{file} is not JSON: {error}.") from error
    except RecursionError as error:
        raise PromptError(f"{file} is JSON nested too deeply.") from error
    if not isinstance(records, list) or not records:
        raise PromptError(f"{file} must hold a list of prompts, or a list of such lists, one per object.")
    objects = records if isinstance(records[0], list) else [records]
    if not all(isinstance(item, list) for item in objects):
        raise PromptError(f"{file} mixes prompts with lists of prompts; give one list per object.")
    return Request.of([[prompt_from_json(record) for record in item] for item in objects])
