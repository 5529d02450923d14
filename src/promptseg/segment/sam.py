"""`SamSegmenter`: SAM says where, seem-tiny says what."""

import os
import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.segments import Segments
from promptseg.models.network import Network
from promptseg.progress import Progress
from promptseg.prompts.request import Prompts, Request, says_what
from promptseg.prompts.speech import Transcriber
from promptseg.prompts.types import ObjectPrompts
from promptseg.prompts.words import Text
from promptseg.runtimes.companions import Companions
from promptseg.runtimes.factory import create_detector, create_runtime, create_tiny
from promptseg.runtimes.options import EngineOptions
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.cache import EmbeddingCache
from promptseg.segment.embedded import EmbeddedImage, embed, picture_of
from promptseg.segment.everything.edges import edges
from promptseg.segment.everything.generate import iter_everything
from promptseg.segment.everything.options import EverythingOptions
from promptseg.segment.everything.proposals import proposals
from promptseg.segment.places import predictor
from promptseg.segment.places.predictor import Granularity
from promptseg.segment.places.refine import PlaceAnswer, refine
from promptseg.segment.segmenter import Segmenter
from promptseg.segment.session import Session
from promptseg.segment.tiling import TiledImage, iter_tiles
from promptseg.segment.words.answer import answer
from promptseg.segment.words.engine import Meaning
from promptseg.segment.words.tasks import answer_as_one, answer_objects, instances, logit_of, panoptic, semantic
from promptseg.vocabulary import Words, vocabulary_of

if TYPE_CHECKING:
    from promptseg.video.track import VideoTrack

_VIDEO = "promptseg.video.begin:begin"
"""What begins a session on a clip, on the floor above: "module:function"."""


class SamSegmenter(Segmenter):
    """Answers places with SAM's network and draws with it what seem-tiny, a network of words, sees.

    `Segmenter("mobile-sam")` makes one; the arguments are those of `Segmenter`.
    """

    def _make(self, options: EngineOptions, cache: EmbeddingCache | None, words: str | Path | None) -> None:
        self._options, self._cache = options, cache
        self._network = Network.load(options.model, options.weights)
        self._runtime = self._engine(options.runtime, options.precision)
        self._companions = Companions.of(self._network.companions, self._runtime.threads)
        self._exact_runtime: Runtime | None = None
        self._lock = threading.Lock()
        self._words_weights = words
        self._known_meaning: Meaning | None = None

    @property
    def runtime(self) -> Runtime:
        """The engine in use."""
        return self._runtime

    @property
    def companions(self) -> Companions:
        """What was trained beside the model to answer prompts."""
        return self._companions

    @property
    def network(self) -> Network:
        """The loaded model: its card, tensors and graphs."""
        return self._network

    def __repr__(self) -> str:
        return f"Segmenter({self.model!r}, runtime={self._runtime.name!r}, precision={self._runtime.precision!r})"

    def embed(self, image: Any, *, exact: bool = False) -> EmbeddedImage:
        """Embeds a picture once, for any number of prompts."""
        picture = Image.open(image)
        if self._cache is None:
            return embed(self._runtime, picture, self._network.base)
        return self._cache.embed(self._runtime, picture, self._network, exact=exact)

    def is_cached(self, image: Any) -> bool:
        """Returns whether the cache holds the embedding of a picture (anything that `embed` takes)."""
        return self._cache is not None and self._cache.holds(self._runtime, Image.open(image), self._network)

    def embed_tiles(self, image: Any, *, tile: int = 1024) -> TiledImage:
        """Prepares a large picture for prompts that are answered at native resolution, on the tile around them."""
        picture, base = Image.open(image), self._network.base
        return TiledImage(self._runtime, picture, base, tile=tile, companions=self._companions)

    def look(self, image: Any) -> None:
        """Looks at a picture for words ahead of the first of them, as `embed` does for places."""
        self.meaning.look(picture_of(image))

    def segment(
        self, image: Any, prompts: Prompts, *, granularity: Granularity = "auto", transcriber: Transcriber | None = None
    ) -> Segments:
        """Segments the objects that the prompts speak of."""
        request = Request.of(prompts)
        if isinstance(image, TiledImage):
            self._check_embedder(image.model)
            return image.segment(request, granularity=granularity)
        embedded = self._embedded(image)
        if not request.says_what:
            return predictor.segment(
                self._runtime, embedded, request, granularity=granularity, companions=self._companions
            )
        return answer_objects(
            self.meaning,
            self._runtime,
            embedded,
            request.objects,
            granularity=granularity,
            companions=self._companions,
            transcriber=transcriber,
        )

    def session(self, image: Any) -> Session:
        """Starts a dialogue on one picture, in which every further prompt corrects the mask so far."""
        embedded = self._embedded(image)

        def answer_round(before: PlaceAnswer | None, prompts: ObjectPrompts, granularity: Granularity) -> PlaceAnswer:
            if says_what(prompts):
                return answer_as_one(
                    self.meaning, self._runtime, embedded, before, prompts, granularity, self._companions
                )
            return refine(self._runtime, embedded, before, prompts, granularity, self._companions)

        return Session(embedded, answer_round)

    def match(self, image: Any, text: Text | str, *, threshold: float | None = None) -> Segments:
        """Finds everything that fits a phrase, best first."""
        phrase = Text(text) if isinstance(text, str) else text
        present = None if threshold is None else logit_of(threshold)
        return answer(self.meaning, self._runtime, self._embedded(image), (phrase,), present=present)

    def label(self, image: Any, segments: Segments, vocabulary: Words = None) -> Segments:
        """Names masks of any origin; empty masks get no label."""
        ranked = self.rank_labels(image, segments, vocabulary, top=1)
        return segments.with_labels([names[0] if names else None for names in ranked])

    def name_chances(self, image: Any, segments: Segments, vocabulary: Words = None) -> Float32:
        """Returns how probable each name is for each mask, (masks, names); rows add up to 1."""
        picture = picture_of(image)
        if segments.size != picture.size:
            raise InputError(
                f"The masks are of a picture of {tuple(segments.size)}, this one has {tuple(picture.size)}."
            )
        return self.meaning.names(picture, segments.masks, vocabulary_of(vocabulary))

    def rank_labels(
        self, image: Any, segments: Segments, vocabulary: Words = None, *, top: int = 5
    ) -> list[tuple[str, ...]]:
        """Returns the `top` likeliest names of each mask, best first; none for an empty mask."""
        words = vocabulary_of(vocabulary)
        chances = self.name_chances(image, segments, words)
        order = np.argsort(-chances, axis=1, kind="stable")[:, :top]
        return [
            tuple(words.labels[number] for number in row) if mask.area else ()
            for row, mask in zip(order.tolist(), segments.masks, strict=True)
        ]

    def semantic(self, image: Any, vocabulary: Words = None) -> PanopticSegments:
        """Gives pixels a class: one segment for each class that is seen, the largest first.

        With names of one's own, pixels that show none of them stay without one; with COCO's 133, every pixel gets one.
        """
        embedded, words = self._embedded(image), vocabulary_of(vocabulary)
        return semantic(self.meaning, self._runtime, embedded, words, everywhere=vocabulary is None)

    def panoptic(self, image: Any, vocabulary: Words = None) -> PanopticSegments:
        """Cuts a picture into things and stuff that do not overlap; pixels of which nothing is known get no class."""
        return panoptic(self.meaning, self._runtime, self._embedded(image), vocabulary_of(vocabulary))

    def instances(self, image: Any, vocabulary: Words = None) -> Segments:
        """Finds all things of a vocabulary, best first."""
        return instances(self.meaning, self._runtime, self._embedded(image), vocabulary_of(vocabulary))

    def video(
        self,
        clip: Any,
        *,
        start: int = 0,
        end: int | None = None,
        stride: int = 1,
        session: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    ) -> "VideoTrack":
        """Begins to follow objects through a clip: prompts on any frames become masks on all."""
        module, _, name = _VIDEO.partition(":")
        begin = getattr(import_module(module), name)
        return begin(self, clip, start=start, end=end, stride=stride, session=session)

    def iter_everything(
        self,
        image: Any,
        options: EverythingOptions | None = None,
        *,
        on_progress: Progress | None = None,
        **overrides: Any,
    ) -> Iterator[Segments]:
        """Finds all masks of a picture and yields them in parts, as they become certain; see `everything`."""
        options = (options or EverythingOptions()).changed(**overrides)
        runtime = self._float32() if options.mode == "exact" else self._runtime
        if runtime is self._runtime:
            embedded = self._embedded(image, exact=options.mode == "exact")
        else:
            picture = self._embedded(image).image if isinstance(image, EmbeddedImage) else Image.open(image)
            embedded = embed(runtime, picture, self._network.base)
        find = iter_everything if options.tile is None else iter_tiles
        return find(runtime, embedded, options, on_progress=on_progress)

    def edges(
        self,
        image: Any,
        *,
        points_per_side: int = 16,
        thin: bool = True,
        border: bool = False,
        on_progress: Progress | None = None,
    ) -> Float32:
        """Returns SAM's zero-shot edge map: how strongly each pixel lies on the outline of some mask."""
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
        """Proposes masks of everything that may be an object, the likeliest first, as in SAM's paper."""
        return proposals(
            self._runtime, self._embedded(image), top=top, points_per_side=points_per_side, on_progress=on_progress
        )

    @property
    def meaning(self) -> Meaning:
        """seem-tiny and the detector, made when first needed."""
        with self._lock:
            if self._known_meaning is None:
                name, threads = self._runtime.name, self._options.threads
                tiny = create_tiny(name, threads=threads, weights=self._words_weights)
                self._known_meaning = Meaning(tiny, create_detector(name, threads=threads))
            return self._known_meaning

    def _float32(self) -> Runtime:
        """Returns an engine that computes in float32: the one in use, or its twin."""
        if self._runtime.precision == "float32":
            return self._runtime
        with self._lock:
            if self._exact_runtime is None:
                self._exact_runtime = self._engine(self._runtime.name, "float32")
            return self._exact_runtime

    def _engine(self, name: str, precision: str) -> Runtime:
        device, threads = self._options.device, self._options.threads
        return create_runtime(self._network, name, precision=precision, device=device, threads=threads)

    def _embedded(self, image: Any, *, exact: bool = False) -> EmbeddedImage:
        if not isinstance(image, EmbeddedImage):
            return self.embed(image, exact=exact)
        self._check_embedder(image.model)
        return self.embed(image.image, exact=True) if exact and image.rounded else image
