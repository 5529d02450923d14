"""What questions and answers are in JSON (docs/evaluate.md), on both ends of the wire.

The asking end writes arguments and reads answers; the answering end reads arguments and writes answers.
"""

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from PIL import Image as PIL

from promptseg.arrays import BoolArray, Float32
from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.images import Image
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.vocabulary import Category, Vocabulary, plain_name

Fields: TypeAlias = Mapping[str, Any]
"""A request or an answer, plain JSON."""

HandOver: TypeAlias = Callable[[Image, str], str]
"""Writes a picture to a file of this name for the other end, and returns its path."""

Arguments: TypeAlias = Mapping[str, Callable[[Any], Any]]
"""What a request calls each argument, and how it is read."""


@dataclass(frozen=True, slots=True)
class Ability:
    """Something that contestants may be able to do, and how it goes over the wire.

    Attributes:
        about: what it is, in a few words.
        read: makes what is asked for of an answer, the picture's size, and the arguments.
        arguments: of the method, in order.
        named: arguments of the method that are given by name.
    """

    about: str
    read: Callable[[Fields, Size, tuple[Any, ...]], Any]
    arguments: Arguments = field(default_factory=dict[str, Callable[[Any], Any]])
    named: Arguments = field(default_factory=dict[str, Callable[[Any], Any]])

    def request(self, given: tuple[Any, ...], named: Fields, hand_over: HandOver) -> dict[str, Any]:
        """Returns the request that asks with these arguments."""
        values = {**dict(zip(self.arguments, given, strict=True)), **named}
        return {name: write_argument(value, hand_over) for name, value in values.items()}

    def answer(self, method: Callable[..., Any], request: Fields) -> Fields:
        """Returns the answer to a request, which a contestant's method gives."""
        given = [read(request[name]) for name, read in self.arguments.items()]
        named = {name: read(request[name]) for name, read in self.named.items()}
        return write_answer(method(*given, **named))


def write_argument(value: Any, hand_over: HandOver, name: str = "reference") -> Any:
    """Returns an argument as plain JSON; pictures are handed over under this name."""
    if isinstance(value, Image):
        return hand_over(value, name)
    if isinstance(value, RLE):
        return value.to_uncompressed()
    if isinstance(value, Vocabulary):
        return [{"id": each.id, "name": each.name, "thing": each.thing} for each in value.categories]
    if isinstance(value, Segments):
        value = value.masks
    if isinstance(value, list | tuple):
        parts: Sequence[Any] = value
        return [write_argument(part, hand_over, f"frame{number:05d}") for number, part in enumerate(parts)]
    return value


def write_answer(value: Any) -> Fields:
    """Returns masks, names or an edge map as the fields of an answer."""
    if isinstance(value, PanopticSegments):
        return {**write_answer(value.segments), "labels": [category.name for category in value.categories]}
    if isinstance(value, Segments):
        return {**write_answer(value.masks), "scores": value.scores.tolist(), "labels": list(value.labels)}
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        return write_answer([RLE.encode(value)])
    if isinstance(value, np.ndarray):
        file = io.BytesIO()
        PIL.fromarray(np.round(np.clip(value, 0, 1) * 65535).astype(np.uint16)).save(file, "PNG")
        return {"png": base64.b64encode(file.getvalue()).decode()}
    parts = list(value)
    if all(isinstance(part, RLE) for part in parts):
        return {"masks": [part.to_coco() for part in parts]}
    return {"labels": [list(part) for part in parts]}


def texts(values: Iterable[Any]) -> list[str]:
    """Reads texts."""
    return [str(value) for value in values]


def boxes(values: Iterable[Any]) -> list[tuple[float, ...]]:
    """Reads boxes."""
    return [tuple(box) for box in values]


def masks(values: Iterable[Any]) -> Segments:
    """Reads masks of one picture."""
    found = tuple(RLE.from_coco(value) for value in values)
    return Segments(found[0].size if found else Size(1, 1), found)


def picture(path: Any) -> Image:
    """Reads a picture that was handed over."""
    return Image.open(str(path))


def pictures(paths: Iterable[Any]) -> list[Image]:
    """Reads pictures that were handed over."""
    return [picture(path) for path in paths]


def classes(values: Sequence[Fields]) -> Vocabulary:
    """Reads classes."""
    return Vocabulary.of_categories(
        [Category(int(each["id"]), str(each["name"]), bool(each["thing"])) for each in values]
    )


def segments(answer: Fields, size: Size, asked: tuple[Any, ...]) -> Segments:
    """Reads masks with scores and labels."""
    del asked
    found = followed(answer)
    scores = np.asarray(answer.get("scores") or np.ones(len(found)), np.float32)
    return Segments(size, tuple(found), scores=scores, labels=tuple(answer.get("labels") or ()))


def classed(answer: Fields, size: Size, asked: tuple[Any, ...]) -> PanopticSegments:
    """Reads masks that each have one of the classes that were asked for."""
    found = segments(answer, size, asked)
    known = {plain_name(category.name): category for category in asked[0].categories}
    for label in found.labels:
        if label is None or plain_name(label) not in known:
            raise InputError(f"the class {label!r}, which it was not asked for.")
    return PanopticSegments(found, tuple(known[plain_name(label or "")] for label in found.labels))


def drawn(answer: Fields, size: Size, asked: tuple[Any, ...]) -> BoolArray:
    """Reads a single mask."""
    return segments(answer, size, asked).dense()[0]


def strengths(answer: Fields, size: Size, asked: tuple[Any, ...]) -> Float32:
    """Reads an edge map, a grey PNG of 8 or 16 bits in base64."""
    del size, asked
    with PIL.open(io.BytesIO(base64.b64decode(answer["png"], validate=True))) as found:
        values = np.asarray(found)
    wide = values.dtype == np.uint16 or values.max(initial=0) > 255
    return (values / (65535 if wide else 255)).astype(np.float32)


def names(answer: Fields, size: Size, asked: tuple[Any, ...]) -> list[tuple[str, ...]]:
    """Reads the names of each mask."""
    del size, asked
    return [tuple(map(str, each)) for each in answer.get("labels", ())]


def followed(answer: Fields, size: Size | None = None, asked: tuple[Any, ...] = ()) -> list[RLE]:
    """Reads masks of one picture or several."""
    del size, asked
    return [RLE.from_coco(record) for record in answer["masks"]]
