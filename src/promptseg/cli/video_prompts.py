"""How prompts of clips are written: as for pictures, with the frame behind an @ and the object behind a #."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptseg.cli.command import Function
from promptseg.cli.options import gathered
from promptseg.cli.prompts import OPTIONS, read_places, read_reference
from promptseg.errors import PromptError
from promptseg.prompts.types import PLACES, Mask, Prompt, Text

if TYPE_CHECKING:
    from promptseg.prompts.words import WordPrompt

_BEHIND = re.compile(r"(?P<text>.*?)(?P<at>@@?)?(?(at)(?P<frame>\d{1,9}))(?:#(?P<object>\d{1,9}))?", re.DOTALL)
_FILE = re.compile(r"(?P<text>.*?)(?:@@(?P<frame>\d{1,9}))?(?:#(?P<object>\d{1,9}))?", re.DOTALL)

_USED = (*PLACES, *(f"not_{kind}" for kind in PLACES), "scribble_width")


@dataclass(frozen=True, slots=True)
class AskedPlace:
    """A prompt that says where, on a frame.

    Attributes:
        prompt: the prompt.
        frame: the frame's number; None is the first that is looked at.
        key: which object; None where that was not said.
        written: how it stood on the command line.
    """

    prompt: Prompt
    frame: int | None
    key: int | None
    written: str


@dataclass(frozen=True, slots=True)
class AskedClip:
    """All that is asked of a clip: places on frames, and what is looked for everywhere."""

    places: tuple[AskedPlace, ...]
    words: "tuple[WordPrompt, ...]"

    def check_begins(self) -> None:
        """Refuses what begins no object, where no session has one.

        Raises:
            PromptError: it does not.
        """
        if not self.words and not any(item.prompt.positive for item in self.places):
            raise PromptError(
                f"Show an object with at least one of {', '.join(f'--{kind}' for kind in PLACES)}, say what is to be "
                "followed with --text or --reference, or go on from a file with --session."
            )


def asked_of_clip(verb: Function) -> Function:
    """Gives a verb the options that say what is followed; it gets one `AskedClip` as `asked`."""
    return gathered("asked", _asked, **{name: OPTIONS[name] for name in (*_USED, "text", "reference")})(verb)


def _asked(
    *, scribble_width: float, text: Sequence[str], reference: Sequence[str], **places: Sequence[str]
) -> AskedClip:
    found = [
        item
        for kind in PLACES
        for sign in ("", "not_")
        for written in places[sign + kind]
        for item in _places(kind, written, scribble_width, positive=not sign)
    ]
    return AskedClip(tuple(found), (*(Text(phrase) for phrase in text), *(read_reference(pair) for pair in reference)))


def _places(kind: str, written: str, width: float, *, positive: bool) -> Iterator[AskedPlace]:
    match = (_FILE if kind == "mask" else _BEHIND).fullmatch(written)
    assert match is not None  # noqa: S101 - both patterns match everything
    frame, key = (None if match[name] is None else int(match[name]) for name in ("frame", "object"))
    if key == 0:
        raise PromptError(f"Objects are numbered from 1, got {written!r}.")
    if kind == "mask" and positive and key is None and (several := _numbered(match["text"])):
        for number, mask in several.items():
            yield AskedPlace(mask, frame, number, f"{written}, number {number}")
        return
    (prompt,) = read_places(kind, (match["text"],), width, positive=positive)
    yield AskedPlace(prompt, frame, key, written)


def _numbered(text: str) -> Mapping[int, Mask]:
    """Returns the objects of a mask picture with a palette of several numbers, as DAVIS has them; of others none."""
    from promptseg.images.mask_pictures import VOID, open_mask, split_choice

    path, choice = split_choice(text)
    if choice is not None:
        return {}
    picture: Any = open_mask(path, numbered=True)
    numbers = [number for number in picture.present().tolist() if number not in (0, VOID)]
    if not picture.palette or len(numbers) < 2:
        return {}
    return {number: Mask(picture.values == number) for number in numbers}
