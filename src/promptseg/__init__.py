"""promptseg: promptable segmentation. Points, boxes, masks, polygons and scribbles in, precise masks out.

from promptseg import Point, Segmenter

segmenter = Segmenter()
image = segmenter.embed("dog.jpg")
cut = segmenter.segment(image, [Point(320, 210), Point(90, 40, positive=False)])
cut.draw().save("dog.png")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptseg.errors import PromptsegError
    from promptseg.images import Image
    from promptseg.masks.segments import Segments
    from promptseg.prompts.types import Audio, Box, Circle, Mask, Point, Polygon, Reference, Scribble, Text
    from promptseg.segment.segmenter import Segmenter
    from promptseg.segment.session import Session

__version__ = "0.1.0"

_HOMES = {
    "Audio": "promptseg.prompts.types",
    "Box": "promptseg.prompts.types",
    "Circle": "promptseg.prompts.types",
    "Image": "promptseg.images",
    "Mask": "promptseg.prompts.types",
    "Point": "promptseg.prompts.types",
    "Polygon": "promptseg.prompts.types",
    "PromptsegError": "promptseg.errors",
    "Reference": "promptseg.prompts.types",
    "Scribble": "promptseg.prompts.types",
    "Segmenter": "promptseg.segment.segmenter",
    "Segments": "promptseg.masks.segments",
    "Session": "promptseg.segment.session",
    "Text": "promptseg.prompts.types",
}

__all__ = [
    "Audio",
    "Box",
    "Circle",
    "Image",
    "Mask",
    "Point",
    "Polygon",
    "PromptsegError",
    "Reference",
    "Scribble",
    "Segmenter",
    "Segments",
    "Session",
    "Text",
]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used, so that `import promptseg` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'promptseg' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
