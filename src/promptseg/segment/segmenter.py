"""The facade: one object that holds a model and an engine, and passes values to pure functions."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.masks.segments import Segments
from promptseg.models.network import Network
from promptseg.models.registry import DEFAULT_MODEL, get_card
from promptseg.progress import Progress
from promptseg.prompts.speech import Transcriber
from promptseg.prompts.types import Prompt
from promptseg.runtimes.factory import create_runtime, create_tiny
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.cache import EmbeddingCache
from promptseg.segment.embedded import EmbeddedImage, embed
from promptseg.segment.everything import EverythingOptions, everything, iter_everything
from promptseg.segment.everything.edges import edges
from promptseg.segment.everything.proposals import proposals
from promptseg.segment.places import predictor
from promptseg.segment.places.predictor import Granularity
from promptseg.segment.session import Session
from promptseg.segment.tiling import TiledImage
from promptseg.segment.words.engine import Meaning
from promptseg.segment.words.tasks import Semantics, says_what


class Segmenter(Semantics):
    """Segments pictures by prompts, with the embedded default model unless told otherwise.

    Args:
        model: a name of the registry (`promptseg models`): "mobile-sam" is embedded; "sam-vit-b", "sam-vit-l" and
            "sam-vit-h" load downloaded or given weights. With "seem-focal-t" and its like a `SeemSegmenter` is made,
            which also takes words and references and knows classes (docs/seem.md).
        weights: a safetensors checkpoint with the official tensor names; one of the decoder alone (docs/training.md)
            answers prompts, while automatic masks keep to the model's own decoder.
        runtime: "auto", "onnx", "openvino" or "torch".
        precision: "auto", "float32" or "bfloat16".
        device: "cpu", or for torch "cuda" or "mps".
        threads: computing threads; by default one per processor.
        cache: where embeddings are kept for pictures that come again: a folder, an `EmbeddingCache`, or None to keep
            none. With a folder, embeddings are rounded to float16, which changes masks by a few pixels; the exact
            mode of `everything` goes past it.
        words: a file with seem-tiny of another training run, which answers words and references; by default the
            embedded one.

    Raises:
        WeightsError: the weights are not at hand or do not fit the model.
        InputError: an unknown runtime, precision or device.
        UnavailableError: the runtime is not installed.
    """

    def __new__(cls, *given: Any, **named: Any) -> "Segmenter":
        """Makes the segmenter that the model needs."""
        model = given[0] if given else named.get("model", DEFAULT_MODEL)
        if cls is Segmenter and get_card(model).semantic:
            from promptseg.segment.seem import SeemSegmenter

            return object.__new__(SeemSegmenter)
        return object.__new__(cls)

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        weights: str | Path | None = None,
        runtime: str = "auto",
        precision: str = "auto",
        device: str = "cpu",
        threads: int | None = None,
        cache: str | Path | EmbeddingCache | None = None,
        words: str | Path | None = None,
    ) -> None:
        network = Network.load(model, weights)
        self._model, self._embedder = network.name, network.base
        self._runtime = create_runtime(network, runtime, precision=precision, device=device, threads=threads)
        self._network, self._device, self._threads = network, device, threads
        self._cache = EmbeddingCache.of(cache)
        self._exact_runtime: Runtime | None = None
        self._lock = threading.Lock()
        self._words_weights = words
        self._known_meaning: Meaning | None = None

    @property
    def _meaning(self) -> Meaning:
        with self._lock:
            if self._known_meaning is None:
                tiny = create_tiny(self._runtime.name, threads=self._threads, weights=self._words_weights)
                self._known_meaning = Meaning(tiny)
            return self._known_meaning

    @property
    def model(self) -> str:
        """The model's name in the registry."""
        return self._model

    @property
    def runtime(self) -> Runtime:
        """The engine in use."""
        return self._runtime

    @property
    def network(self) -> Network:
        """The loaded model: its card, tensors and graphs."""
        return self._network

    @property
    def cache(self) -> EmbeddingCache | None:
        """Where embeddings are kept, if they are."""
        return self._cache

    def __repr__(self) -> str:
        return f"Segmenter({self._model!r}, runtime={self._runtime.name!r}, precision={self._runtime.precision!r})"

    def embed(self, image: Any, *, exact: bool = False) -> EmbeddedImage:
        """Embeds a picture once, for any number of prompts.

        Args:
            image: a path, the bytes of a file, a PIL image, a NumPy RGB array (H, W, 3), or an `Image`.
            exact: whether to go past a cache that rounds (see `cache`).

        Raises:
            ImageError: the picture cannot be read or is too large.
            OutputError: the folder of the cache cannot be written.
        """
        picture = Image.open(image)
        if self._cache is None:
            return embed(self._runtime, picture, self._network.base)
        return self._cache.embed(self._runtime, picture, self._network, exact=exact)

    def embed_tiles(self, image: Any, *, tile: int = 1024) -> TiledImage:
        """Prepares a large picture for prompts that are answered at native resolution, on the tile around them.

        Tiles are embedded when a prompt needs them, past the segmenter's cache. Objects that are too large for a tile
        are answered on coarser ones, and at last on the picture as a whole.

        Args:
            image: anything that `embed` takes, except what it returned.
            tile: side of the finest tiles, in pixels.

        Raises:
            ImageError: the picture cannot be read or is too large.
            InputError: the tile is out of range.
        """
        return TiledImage(self._runtime, Image.open(image), self._network.base, tile=tile)

    def is_cached(self, image: Any) -> bool:
        """Returns whether the cache holds the embedding of a picture (anything that `embed` takes)."""
        return self._cache is not None and self._cache.holds(self._runtime, Image.open(image), self._network)

    def segment(
        self,
        image: Any,
        prompts: Prompt | Sequence[Prompt] | Sequence[Sequence[Prompt]],
        *,
        granularity: Granularity = "auto",
        transcriber: Transcriber | None = None,
    ) -> Segments:
        """Segments the objects that the prompts speak of.

        Places (points, boxes, strokes, shapes, masks) say where an object is, phrases and references what it is. An
        object of words or references alone is answered with everything that fits, and with nothing when nothing fits.

        Args:
            image: what `embed` or `embed_tiles` returned, or anything that `embed` takes.
            prompts: one prompt; a list of prompts of one object; or a list of such lists, one per object. A flat list
                of phrases alone speaks of one object per phrase.
            granularity: "auto", "part", "object", "whole", or "all" three.
            transcriber: writes down what `Audio` prompts say.

        Returns:
            One mask per object with a place, in order (three with "all"); any number for words and references alone.

        Raises:
            PromptError: a prompt is malformed or does not fit the picture or the model.
        """
        if isinstance(image, TiledImage):
            self._check_model(image.model)
            return image.segment(prompts, granularity=granularity)
        embedded = self._embedded(image)
        if says_what(prompts):
            return self._answer(embedded, prompts, granularity, transcriber)
        return predictor.segment(self._runtime, embedded, prompts, granularity=granularity)

    def everything(
        self,
        image: Any,
        options: EverythingOptions | None = None,
        *,
        on_progress: Progress | None = None,
        **overrides: Any,
    ) -> Segments:
        """Finds all masks of a picture, without prompts.

        The exact mode computes in float32. A segmenter of another precision makes an engine for it when it is first
        asked, and embeds the picture again; with `precision="float32"` that is spared.

        `tile=1024` searches a very large picture at native resolution, tile by tile, in bounded memory.

        Args:
            image: what `embed` returned, or anything that `embed` takes.
            options: thresholds, grids and the mode; by default `EverythingOptions()`.
            on_progress: called with (points done, points in all).
            **overrides: single options by name, such as `mode="exact"` or `points_per_side=16`.

        Returns:
            The masks, with predicted IoU as `scores`, `stability_scores`, `crop_boxes`, and the point that each was
            found with in `prompts`. Empty when nothing survives the filters.

        Raises:
            InputError: an unknown option or an impossible value.
        """
        runtime, embedded, options = self._ready(image, options, overrides)
        return everything(runtime, embedded, options, on_progress=on_progress)

    def iter_everything(
        self,
        image: Any,
        options: EverythingOptions | None = None,
        *,
        on_progress: Progress | None = None,
        **overrides: Any,
    ) -> Iterator[Segments]:
        """Finds all masks of a picture and yields them in parts, as they become certain; see `everything`.

        Joined, the parts are what `everything` returns.
        """
        runtime, embedded, options = self._ready(image, options, overrides)
        return iter_everything(runtime, embedded, options, on_progress=on_progress)

    def _ready(
        self, image: Any, options: EverythingOptions | None, overrides: dict[str, Any]
    ) -> tuple[Runtime, EmbeddedImage, EverythingOptions]:
        options = (options or EverythingOptions()).changed(**overrides)
        if options.mode != "exact":
            return self._runtime, self._embedded(image), options
        if self._runtime.precision == "float32":
            return self._runtime, self._embedded(image, exact=True), options
        picture = self._embedded(image).image if isinstance(image, EmbeddedImage) else Image.open(image)
        runtime = self._float32()
        return runtime, embed(runtime, picture, self._network.base), options

    def _float32(self) -> Runtime:
        """Returns the twin of the engine that computes in float32."""
        with self._lock:
            if self._exact_runtime is None:
                self._exact_runtime = create_runtime(
                    self._network,
                    self._runtime.name,
                    precision="float32",
                    device=self._device,
                    threads=self._threads,
                )
            return self._exact_runtime

    def edges(
        self,
        image: Any,
        *,
        points_per_side: int = 16,
        thin: bool = True,
        border: bool = False,
        on_progress: Progress | None = None,
    ) -> npt.NDArray[np.float32]:
        """Returns SAM's zero-shot edge map: how strongly each pixel lies on the outline of some mask.

        Args:
            image: what `embed` returned, or anything that `embed` takes.
            points_per_side: SAM is asked at this many points squared.
            thin: whether to thin the edges to lines.
            border: whether to keep edges at the very border of the picture, where masks stop short of it.
            on_progress: called with (points done, points in all).

        Returns:
            (H, W) in [0, 1].

        Raises:
            InputError: the number of points is out of range.
        """
        return edges(
            self._runtime,
            self._embedded(image),
            points_per_side=points_per_side,
            thin=thin,
            border=border,
            on_progress=on_progress,
        )

    def proposals(
        self, image: Any, top: int = 1000, *, points_per_side: int = 64, on_progress: Progress | None = None
    ) -> Segments:
        """Proposes masks of everything that may be an object, the likeliest first, as in SAM's paper.

        Args:
            image: what `embed` returned, or anything that `embed` takes.
            top: at most so many masks.
            points_per_side: SAM is asked at this many points squared; 64 take a minute or more.
            on_progress: called with (points done, points in all).

        Returns:
            The masks, by the falling mean of predicted IoU (`scores`) and `stability_scores`, with the point that each
            answers in `prompts`.

        Raises:
            InputError: a number is out of range.
        """
        return proposals(
            self._runtime,
            self._embedded(image),
            top=top,
            points_per_side=points_per_side,
            on_progress=on_progress,
        )

    def session(self, image: Any) -> Session:
        """Starts a dialogue on one picture, in which every further prompt corrects the mask so far."""
        return Session(self._runtime, self._embedded(image), lambda: self._meaning)

    def restore(self, image: Any, record: dict[str, Any]) -> Session:
        """Continues the dialogue that `Session.to_json` wrote, on the same picture."""
        return Session.from_json(self._runtime, self._embedded(image), record, lambda: self._meaning)

    def _embedded(self, image: Any, *, exact: bool = False) -> EmbeddedImage:
        if not isinstance(image, EmbeddedImage):
            return self.embed(image, exact=exact)
        self._check_model(image.model)
        return self.embed(image.image, exact=True) if exact and image.rounded else image

    def _check_model(self, model: str) -> None:
        if model != self._embedder:
            raise InputError(
                f"This picture was embedded by {model!r}, the segmenter is {self._model!r}: embed it again."
            )
