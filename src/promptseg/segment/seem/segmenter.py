"""`SeemSegmenter`: SEEM says where and what."""

from pathlib import Path
from typing import Any

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.resample import Enlargement
from promptseg.masks.segments import Segments
from promptseg.models.store import cache_folder, find_weights
from promptseg.prompts.request import Prompts, Request
from promptseg.prompts.speech import Transcriber
from promptseg.prompts.types import ObjectPrompts
from promptseg.prompts.words import Text
from promptseg.runtimes.factory import default_threads
from promptseg.runtimes.options import EngineOptions
from promptseg.runtimes.seem import SeemRequest, SeemRuntime
from promptseg.segment.answer import Answer
from promptseg.segment.cache import EmbeddingCache
from promptseg.segment.places.predictor import Granularity
from promptseg.segment.seem import predictor, results
from promptseg.segment.seem.engine import SeemEngine
from promptseg.segment.seem.picture import Scale, SeemImage
from promptseg.segment.segmenter import Segmenter
from promptseg.segment.session import Session
from promptseg.vocabulary import Vocabulary, Words, vocabulary_of


class SeemSegmenter(Segmenter):
    """Segments by places, phrases, speech and references, and knows classes. `Segmenter("seem-...")` makes one.

    Everything is deterministic. Masks carry labels; classes come from a vocabulary, by default the 133 of COCO, whose
    class bank is made at its first use (a minute on a small processor) and kept beside the cached weights.

    The arguments are those of `Segmenter`, but it computes in PyTorch only, on SAM's backbones in float32 only, and
    keeps no embeddings: `cache` must be None, and so must `words`.
    """

    def _make(self, options: EngineOptions, cache: EmbeddingCache | None, words: str | Path | None) -> None:
        card, threads = self._card, options.threads
        if card.family != "seem":
            raise InputError(f"{card.name} is no SEEM model. Use Segmenter({card.name!r}).")
        if options.runtime not in ("auto", "torch"):
            raise InputError(f"SEEM runs in PyTorch only, got runtime={options.runtime!r}. Use torch or auto.")
        if cache is not None:
            raise InputError(f"A cache keeps embeddings of SAM models only, not of {card.name}. Leave it out.")
        if words is not None:
            raise InputError(f"{card.name} reads words itself, words= is for SAM's models. Leave it out.")
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1, got {threads}.")
        path = find_weights(card, cache_folder()) if options.weights is None else Path(options.weights)
        threads = threads or default_threads()
        engine = SeemRuntime(card, path, threads=threads, precision=options.precision, device=options.device)
        self._engine = SeemEngine(card.name, engine)

    @property
    def runtime(self) -> SeemRuntime:
        """The engine in use."""
        return self._engine.runtime

    def __repr__(self) -> str:
        return f"SeemSegmenter({self.model!r}, precision={self.runtime.precision!r})"

    def embed(
        self, image: Any, *, exact: bool = False, scale: Scale = "prompts", short_side: int | None = None
    ) -> SeemImage:
        """Embeds a picture once, for any number of prompts.

        Args:
            image: see `Segmenter.embed`.
            exact: changes nothing, as embeddings are never rounded.
            scale: "prompts" (short side 512, as on the official page) or "classes" (800, at most 1333 long, as in the
                official evaluation on COCO).
            short_side: of the resized picture, instead of the official one.

        Raises:
            ImageError: the picture cannot be read or is too large.
            InputError: the short side is out of range.
        """
        return self._engine.embed(Image.open(image), scale, short_side)

    def segment(
        self,
        image: Any,
        prompts: Prompts | None = None,
        *,
        granularity: Granularity = "auto",
        vocabulary: Words = None,
        together: bool = False,
        transcriber: Transcriber | None = None,
    ) -> Segments:
        """Segments the objects that the prompts speak of; without prompts, everything that has a class.

        Args:
            image: what `embed` returned, or anything that it takes.
            prompts: see `Segmenter.segment`.
            granularity: "auto"; SEEM has no nested masks.
            vocabulary: classes for the labels. Without one, objects found by a phrase are labelled with it.
            together: whether phrases of a flat list are read in one go, as in the official evaluation, where the
                answer to one depends on the others. By default each is asked alone.
            transcriber: writes down what `Audio` prompts say; by default `promptseg.speech.whisper.Whisper`, with the
                extra `speech` and a model that was downloaded (docs/speech.md).

        Returns:
            One mask per object, in order.

        Raises:
            PromptError: a prompt is malformed, does not fit the picture, or nothing is positive.
            UnavailableError: there is a recording, and nothing that writes it down.
        """
        _check_granularity(granularity)
        if prompts is None:
            return self.panoptic(image, vocabulary).segments
        objects = Request.of(prompts).objects
        texts = [parts[0] for parts in objects if len(parts) == 1 and isinstance(parts[0], Text)]
        if together and len(texts) < len(objects):
            raise InputError("Only phrases can be read together: give a list of nothing but Text prompts.")
        embedded = self._seen(image)
        if together:
            answers = predictor.answer_together(self._engine, embedded, texts)
        else:
            answers = [
                predictor.answer(self._engine, embedded, parts, vocabulary=vocabulary, transcriber=transcriber)
                for parts in objects
            ]
        return Segments.concatenate([answer.segments(number) for number, answer in enumerate(answers)])

    def session(
        self, image: Any, *, vocabulary: Words = None, memory: bool = True, transcriber: Transcriber | None = None
    ) -> Session:
        """Starts a dialogue on one picture, in which every further prompt corrects the mask so far.

        Args:
            image: what `embed` returned, or anything that it takes.
            vocabulary: classes for the labels.
            memory: whether the network is shown its mask of the round before. The official demo page does not.
            transcriber: writes down what `Audio` prompts say; by default `promptseg.speech.whisper.Whisper`, with the
                extra `speech` and a model that was downloaded (docs/speech.md).
        """
        embedded = self._seen(image)

        def answer_round(before: Answer | None, prompts: ObjectPrompts, granularity: Granularity) -> Answer:
            _check_granularity(granularity)
            return predictor.answer(
                self._engine,
                embedded,
                prompts if before is None else (*before.prompts, *prompts),
                vocabulary=vocabulary,
                transcriber=transcriber,
                previous=before.logits if before is not None and memory else None,
            )

        return Session(embedded, answer_round)

    def panoptic(
        self,
        image: Any,
        vocabulary: Words = None,
        *,
        score: float = results.PANOPTIC_SCORE,
        overlap: float = results.OVERLAP,
    ) -> PanopticSegments:
        """Cuts a picture into things and stuff that do not overlap.

        Args:
            image: what `embed` returned, or anything that it takes, which is then embedded for classes.
            vocabulary: the classes; by default COCO's 133.
            score: segments need a class probability above it; the official page uses 0.4.
            overlap: segments need to keep this share of their mask.
        """
        embedded, queries = self._all(image, vocabulary)
        found = results.panoptic(*queries, score=score, overlap=overlap)
        return _with_picture(found, embedded)

    def instances(self, image: Any, vocabulary: Words = None, *, top: int = results.TOP) -> Segments:
        """Finds all things, best first; masks may overlap.

        Args:
            image: what `embed` returned, or anything that it takes, which is then embedded for classes.
            vocabulary: the classes; by default COCO's 133, of which 80 are things.
            top: how many pairs of mask and class are looked at.
        """
        embedded, queries = self._all(image, vocabulary)
        return results.instances(*queries, top=top).replace(image=embedded.image.pixels)

    def semantic(self, image: Any, vocabulary: Words = None) -> PanopticSegments:
        """Gives every pixel a class, at the scale of classes: one segment for each that occurs, the largest first."""
        embedded, queries = self._all(image, vocabulary)
        return _with_picture(results.semantic(*queries), embedded)

    def label(self, image: Any, segments: Segments, vocabulary: Words = None) -> Segments:
        """Names masks of any origin, such as SAM's: the class of what SEEM sees where each mask is."""
        return predictor.label(self._engine, self._seen(image), segments, vocabulary_of(vocabulary))

    def match(self, image: Any, text: Text | str, *, threshold: float | None = None, iou: float = 0.7) -> Segments:
        """Finds everything that fits a phrase, best first, not only the one best.

        Args:
            image: what `embed` returned, or anything that it takes.
            text: the phrase.
            threshold: the least cosine of a mask's caption and the phrase; by default 0.8 of the best.
            iou: of two masks that overlap more, the worse is dropped.

        Returns:
            The masks; `scores` are cosine times mean mask probability.
        """
        phrase = Text(text) if isinstance(text, str) else text
        return predictor.match(self._engine, self._seen(image), phrase, threshold=threshold, iou=iou)

    def _seen(self, image: Any, scale: Scale = "prompts") -> SeemImage:
        if not isinstance(image, SeemImage):
            return self.embed(image, scale=scale)
        self._check_embedder(image.model)
        return image

    def _all(self, image: Any, vocabulary: Words) -> tuple[SeemImage, tuple[Float32, Float32, Enlargement, Vocabulary]]:
        """Returns the picture and, without any prompt, what all queries say of classes and where their masks are."""
        words = vocabulary_of(vocabulary)
        embedded = self._seen(image, "classes")
        (reply,) = self.runtime.decode(embedded.features, [SeemRequest()])
        logits = self.runtime.class_logits(reply.captions, self._engine.banks.bank(words))
        return embedded, (logits, reply.masks, predictor.phrase_way(embedded.frame), words)


def _with_picture(found: PanopticSegments, embedded: SeemImage) -> PanopticSegments:
    return PanopticSegments(found.segments.replace(image=embedded.image.pixels), found.categories)


def _check_granularity(granularity: str) -> None:
    """Refuses SAM's nested masks."""
    if granularity != "auto":
        raise InputError(
            f"SEEM gives one mask per object, without parts and wholes: granularity must be auto, got {granularity!r}."
        )
