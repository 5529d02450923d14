"""Prompts that say what: a phrase, a spoken phrase, a region of another picture."""

import base64
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from promptseg.errors import PromptError
from promptseg.prompts.checks import short
from promptseg.prompts.places import PLACES, Mask
from promptseg.prompts.prompt import PlacePrompt, Prompt, read_prompt
from promptseg.prompts.speech import check_language

if TYPE_CHECKING:
    from promptseg.images import Image


class WordPrompt(Prompt):
    """A prompt that says what."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Text(WordPrompt):
    """A phrase that names what to segment."""

    kind: ClassVar[str] = "text"
    phrase: str

    def __post_init__(self) -> None:
        phrase: Any = self.phrase
        if not isinstance(phrase, str) or not phrase.strip():
            raise PromptError(f"A text prompt needs a phrase, got {short(phrase)}.")


@dataclass(frozen=True, slots=True)
class Audio(WordPrompt):
    """A recording in which somebody says what to segment.

    Attributes:
        file: its path.
        language: "en" or "ja"; by default it is heard.
        phrase: what was understood; the prompts of a result have it. A prompt that has it is not listened to again.
    """

    kind: ClassVar[str] = "audio"
    file: str
    language: str | None = None
    phrase: str | None = None

    def __post_init__(self) -> None:
        phrase: Any = self.phrase
        self._set(file=_path("An audio prompt", self.file), language=check_language(self.language))
        if phrase is not None and (not isinstance(phrase, str) or not phrase.strip()):
            raise PromptError(f"What an audio prompt says is a phrase, got {short(phrase)}.")

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON: the path, and of the rest what is known."""
        known = {"language": self.language, "phrase": self.phrase}
        return {
            "type": self.kind,
            "file": self.file,
            **{name: value for name, value in known.items() if value is not None},
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any], *, paths: bool = True) -> Self:
        """Makes it from the JSON that `to_json` wrote."""
        _check_paths(record, paths)
        return cls(record["file"], record.get("language"), record.get("phrase"))


@dataclass(frozen=True, slots=True, eq=False)
class Reference(WordPrompt):
    """A region of another picture that shows the kind of thing to segment.

    Attributes:
        image: the other picture: a path, which is opened when it is needed, or an `Image`. Bytes, arrays and PIL
            images are taken, too, and become an `Image` at once.
        mask: which part of it: a positive point, box, polygon, circle, scribble or mask of that picture. An array
            becomes a `Mask`.

    Raises:
        PromptError: the region is negative, empty or none.
        ImageError: the picture cannot be read.
    """

    kind: ClassVar[str] = "reference"
    image: "str | Image"
    mask: PlacePrompt

    def __post_init__(self) -> None:
        from promptseg.images import Image

        image: Any = self.image
        mask: Any = self.mask
        if isinstance(image, str | os.PathLike):
            self._set(image=_path("A reference", image))
        else:
            self._set(image=Image.open(image))
        if isinstance(mask, WordPrompt):
            raise PromptError(f"A reference's mask says where in its picture, got {short(mask)}.")
        region = mask if isinstance(mask, PlacePrompt) else Mask(mask)
        if not region.positive or (isinstance(region, Mask) and not (region.array > 0.5).any()):
            raise PromptError("A reference needs a positive mask that is not empty.")
        self._set(mask=region)

    def open(self) -> "Image":
        """Returns the picture, read from its file where it is a path.

        Raises:
            ImageError: it cannot be read.
        """
        from promptseg.images import Image

        return Image.open(self.image)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reference):
            return NotImplemented
        return self.image == other.image and self.mask == other.mask

    def __hash__(self) -> int:
        return hash((self.image, self.mask))

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON: the path, or the picture itself as PNG in base64."""
        image = self.image if isinstance(self.image, str) else {"png": _png(self.image.pixels)}
        return {"type": self.kind, "image": image, "mask": self.mask.to_json()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], *, paths: bool = True) -> Self:
        """Makes it from the JSON that `to_json` wrote."""
        image = record["image"]
        _check_paths(record, paths or not isinstance(image, str))
        region = read_prompt(record["mask"], PLACES, paths=False)
        return cls(_picture(image), region)


def _check_paths(record: Mapping[str, Any], paths: bool) -> None:
    if not paths:
        raise PromptError(f"Here a prompt may not name a file of this machine: {short(record)}.")


def _path(what: str, given: Any) -> str:
    try:
        path = os.fspath(given)
    except TypeError:
        path = ""
    if not isinstance(path, str) or not path.strip():
        raise PromptError(f"{what} needs the path of a file, got {short(given)}.")
    return path


def _png(pixels: Any) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


def _picture(record: Any) -> "str | Image":
    """Makes the picture of a reference from its JSON, a path or a PNG in base64."""
    if isinstance(record, str):
        return record
    from promptseg.images import Image

    try:
        return Image.open(base64.b64decode(record["png"], validate=True))
    except (TypeError, KeyError, ValueError) as error:
        raise PromptError(f'A reference\'s picture is a path or {{"png": base64}}: {short(record)}.') from error


WORDS: dict[str, type[WordPrompt]] = {word.kind: word for word in (Text, Audio, Reference)}
"""The types that say what, by their kinds."""
