"""The facade: one object that holds a model and an engine, and passes values to pure functions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.masks.segments import Segments
from promptseg.models.network import Network
from promptseg.prompts.types import Prompt
from promptseg.runtimes.factory import create_runtime
from promptseg.runtimes.protocol import Runtime
from promptseg.segment import predictor
from promptseg.segment.embedded import EmbeddedImage, embed
from promptseg.segment.predictor import Granularity
from promptseg.segment.session import Session


class Segmenter:
    """Segments pictures by prompts, with the embedded default model unless told otherwise.

    Args:
        model: a name of the registry (`promptseg models`): "mobile-sam" is embedded; "sam-vit-b", "sam-vit-l" and
            "sam-vit-h" load downloaded or given weights.
        weights: a safetensors checkpoint with the official tensor names.
        runtime: "auto", "onnx", "openvino" or "torch".
        precision: "auto", "float32" or "bfloat16".
        device: "cpu", or for torch "cuda" or "mps".
        threads: computing threads; by default one per processor.

    Raises:
        WeightsError: the weights are not at hand or do not fit the model.
        InputError: an unknown runtime, precision or device.
        UnavailableError: the runtime is not installed.
    """

    def __init__(
        self,
        model: str = "mobile-sam",
        *,
        weights: str | Path | None = None,
        runtime: str = "auto",
        precision: str = "auto",
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        network = Network.load(model, weights)
        self._model = network.name
        self._runtime = create_runtime(network, runtime, precision=precision, device=device, threads=threads)

    @property
    def model(self) -> str:
        """The model's name in the registry."""
        return self._model

    @property
    def runtime(self) -> Runtime:
        """The engine in use."""
        return self._runtime

    def __repr__(self) -> str:
        return f"Segmenter({self._model!r}, runtime={self._runtime.name!r}, precision={self._runtime.precision!r})"

    def embed(self, image: Any) -> EmbeddedImage:
        """Embeds a picture once, for any number of prompts.

        Args:
            image: a path, the bytes of a file, a PIL image, a NumPy RGB array (H, W, 3), or an `Image`.

        Raises:
            ImageError: the picture cannot be read or is too large.
        """
        return embed(self._runtime, Image.open(image), self._model)

    def segment(
        self,
        image: Any,
        prompts: Prompt | Sequence[Prompt] | Sequence[Sequence[Prompt]],
        *,
        granularity: Granularity = "auto",
    ) -> Segments:
        """Segments the objects that the prompts speak of.

        Args:
            image: what `embed` returned, or anything that `embed` takes.
            prompts: one prompt; a list of prompts of one object; or a list of such lists, one per object.
            granularity: "auto", "part", "object", "whole", or "all" three.

        Returns:
            One mask per object, in order (three with "all").

        Raises:
            PromptError: a prompt is malformed or does not fit the picture or the model.
        """
        return predictor.segment(self._runtime, self._embedded(image), prompts, granularity=granularity)

    def session(self, image: Any) -> Session:
        """Starts a dialogue on one picture, in which every further prompt corrects the mask so far."""
        return Session(self._runtime, self._embedded(image))

    def restore(self, image: Any, record: dict[str, Any]) -> Session:
        """Continues the dialogue that `Session.to_json` wrote, on the same picture."""
        return Session.from_json(self._runtime, self._embedded(image), record)

    def _embedded(self, image: Any) -> EmbeddedImage:
        if not isinstance(image, EmbeddedImage):
            return self.embed(image)
        if image.model != self._model:
            raise InputError(
                f"This picture was embedded by {image.model!r}, the segmenter is {self._model!r}: embed it again."
            )
        return image
