"""Prompts that say what: a phrase, a spoken phrase, a region of another picture."""

import base64
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from promptseg.errors import PromptError
from promptseg.prompts.checks import short
from promptseg.prompts.places import Mask, PlacePrompt

if TYPE_CHECKING:
    from promptseg.images import Image


@dataclass(frozen=True, slots=True)
class Text:
    """A phrase that names what to segment."""

    kind: ClassVar[str] = "text"
    phrase: str

    def __post_init__(self) -> None:
        phrase: Any = self.phrase
        if not isinstance(phrase, str) or not phrase.strip():
            raise PromptError(f"A text prompt needs a phrase, got {short(phrase)}.")

    positive: ClassVar[bool] = True

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        return {"type": self.kind, "phrase": self.phrase}


@dataclass(frozen=True, slots=True)
class Audio:
    """A recording in which somebody says what to segment; `file` is its path."""

    kind: ClassVar[str] = "audio"
    file: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", _path("An audio prompt", self.file))

    positive: ClassVar[bool] = True

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        return {"type": self.kind, "file": self.file}


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
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
            object.__setattr__(self, "image", _path("A reference", image))
        else:
            object.__setattr__(self, "image", Image.open(image))
        if isinstance(mask, Text | Audio | Reference):
            raise PromptError(f"A reference's mask says where in its picture, got {short(mask)}.")
        region = mask if isinstance(mask, PlacePrompt) else Mask(mask)
        if not region.positive or (isinstance(region, Mask) and not (region.array > 0.5).any()):
            raise PromptError("A reference needs a positive mask that is not empty.")
        object.__setattr__(self, "mask", region)

    positive: ClassVar[bool] = True

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


def picture_from_json(record: Any) -> "str | Image":
    """Makes the picture of a reference from what `Reference.to_json` wrote.

    Raises:
        PromptError: it is neither a path nor a PNG in base64.
    """
    if isinstance(record, str):
        return record
    from promptseg.images import Image

    try:
        return Image.open(base64.b64decode(record["png"], validate=True))
    except (TypeError, KeyError, ValueError) as error:
        raise PromptError(
            f'A reference\'s picture is a path or {{"png": base64}}: {short(record)}.'
        ) from error


WordPrompt: TypeAlias = Text | Audio | Reference
"""A prompt that says what."""
