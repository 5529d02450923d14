"""A picture after the image encoder: the value that every prompt is answered on."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from promptseg.geometry import ResizeFrame, Size
from promptseg.images import Image, preprocess
from promptseg.runtimes.protocol import Runtime


@runtime_checkable
class Embedded(Protocol):
    """What the embeddings of all families tell."""

    @property
    def image(self) -> Image:
        """The picture."""
        ...

    @property
    def model(self) -> str:
        """Name of the model that made it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedImage:
    """An immutable embedding, with the picture that it was made of.

    Attributes:
        features: (1, 256, 64, 64) float32.
        frame: how the picture lies in the model's input.
        image: the picture, for drawing and for zooming in.
        model: name of the model that made it.
        rounded: the features went through float16, as they do with a cache on disk.
    """

    features: npt.NDArray[np.float32] = field(repr=False)
    frame: ResizeFrame
    image: Image
    model: str
    rounded: bool = False

    @property
    def size(self) -> Size:
        """Height and width of the original picture."""
        return self.frame.original


def embed(runtime: Runtime, image: Image, model: str) -> EmbeddedImage:
    """Embeds one picture."""
    frame = ResizeFrame.fit(image.size)
    features = runtime.encode(preprocess(image, frame))
    features.flags.writeable = False
    return EmbeddedImage(features, frame, image, model)


def picture_of(image: Any) -> Image:
    """Returns the picture of an embedding, or opens what is none."""
    return image.image if isinstance(image, Embedded) else Image.open(image)
