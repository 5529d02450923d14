"""`SeemSegmenter`: the facade for models with semantics."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.segments import Segments
from promptseg.models.registry import get_card
from promptseg.models.store import cache_folder, find_weights
from promptseg.prompts.request import Prompts, Request
from promptseg.prompts.speech import Transcriber
from promptseg.prompts.words import Reference, Text
from promptseg.runtimes.factory import default_threads
from promptseg.runtimes.seem import SeemRequest, SeemRuntime
from promptseg.segment.places.predictor import Granularity
from promptseg.segment.seem import predictor, results
from promptseg.segment.seem.classes import Words, vocabulary_of
from promptseg.segment.seem.engine import SeemEngine
from promptseg.segment.seem.picture import Scale, SeemImage
from promptseg.segment.seem.session import SeemSession, check_granularity_of_seem
from promptseg.segment.segmenter import Segmenter


class SeemSegmenter(Segmenter):
    """Segments by places, phrases, speech and references, and knows classes. `Segmenter("seem-...")` makes one.

    Everything is deterministic. Masks carry labels; classes come from a vocabulary, by default the 133 of COCO, whose
    class bank is made at its first use (a minute on a small processor) and kept beside the cached weights.

    Args:
        model: "seem-focal-t", "seem-focal-l", "seem-sam-vit-b" or "seem-sam-vit-l".
        weights: a converted safetensors checkpoint; by default the one in the cache.
        runtime: "auto" or "torch".
        precision: "auto", "float32" or, except on SAM's backbones, "bfloat16".
        device: "cpu", "cuda" or "mps".
        threads: computing threads; by default one per processor.
        cache: must be None: embeddings of SEEM are not kept.

    Raises:
        WeightsError: the weights are not at hand or do not fit the model.
        InputError: an unknown runtime, precision or device.
        UnavailableError: PyTorch is not installed.
    """

    def __init__(
        self,
        model: str = "seem-focal-t",
        *,
        weights: str | Path | None = None,
        runtime: str = "auto",
        precision: str = "auto",
        device: str = "cpu",
        threads: int | None = None,
        cache: Any = None,
    ) -> None:
        card = get_card(model)
        if not card.semantic:
            raise InputError(f"{card.name} is no SEEM model. Use Segmenter({card.name!r}).")
        if runtime not in ("auto", "torch"):
            raise InputError(f"SEEM runs in PyTorch only, got runtime={runtime!r}. Use torch or auto.")
        if cache is not None:
            raise InputError(
                f"A cache keeps embeddings of SAM models only, not of {card.name}. Leave it out."
            )
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1, got {threads}.")
        path = Path(weights) if weights is not None else find_weights(card, cache_folder())
        self._model = self._embedder = card.name
        self._seem = SeemRuntime(
            card, path, threads=threads or default_threads(), precision=precision, device=device
        )
        self._engine = SeemEngine(card.name, self._seem)

    @property
    def runtime(self) -> SeemRuntime:  # type: ignore[override]  # another protocol
        """The engine in use."""
        return self._seem

    @property
    def cache(self) -> None:
        """Embeddings of SEEM are not kept."""
        return None

    def __repr__(self) -> str:
        return f"SeemSegmenter({self._model!r}, precision={self._seem.precision!r})"

    def embed(  # type: ignore[override]  # another kind of embedding
        self, image: Any, *, scale: Scale = "prompts", short_side: int | None = None, exact: bool = True
    ) -> SeemImage:
        """Embeds a picture once, for any number of prompts.

        Args:
            image: a path, the bytes of a file, a PIL image, a NumPy RGB array (H, W, 3), or an `Image`.
            scale: "prompts" (short side 512, as on the official page) or "classes" (800, at most 1333 long, as in the
                official evaluation on COCO).
            short_side: of the resized picture, instead of the official one.
            exact: there for the sake of the facade; embeddings are never rounded.

        Raises:
            ImageError: the picture cannot be read or is too large.
            InputError: the short side is out of range.
        """
        del exact
        return self._engine.embed(Image.open(image), scale, short_side)

    def segment(  # type: ignore[override]  # prompts may be absent
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
            prompts: one prompt; a list of prompts of one object; or a list of such lists, one per object. A flat list
                of phrases alone speaks of one object per phrase.
            granularity: "auto"; SEEM has no nested masks.
            vocabulary: classes for the labels. Without one, objects found by a phrase are labelled with it.
            together: whether phrases of a flat list are read in one go, as in the official evaluation, where the
                answer to one depends on the others. By default each is asked alone.
            transcriber: writes down what `Audio` prompts say.

        Returns:
            One mask per object, in order.

        Raises:
            PromptError: a prompt is malformed, does not fit the picture, or nothing is positive.
            UnavailableError: a recording without a transcriber.
        """
        check_granularity_of_seem(granularity)
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
                predictor.answer(
                    self._engine, embedded, parts, vocabulary=vocabulary, transcriber=transcriber
                )
                for parts in objects
            ]
        return Segments.concatenate([answer.segments(number) for number, answer in enumerate(answers)])

    def session(  # type: ignore[override]  # more options
        self,
        image: Any,
        *,
        vocabulary: Words = None,
        memory: bool = True,
        transcriber: Transcriber | None = None,
    ) -> SeemSession:
        """Starts a dialogue on one picture, in which every further prompt corrects the mask so far.

        Args:
            image: what `embed` returned, or anything that it takes.
            vocabulary: classes for the labels.
            memory: whether the network is shown its mask of the round before.
            transcriber: writes down what `Audio` prompts say.
        """
        return SeemSession(
            self._engine, self._seen(image), vocabulary=vocabulary, memory=memory, transcriber=transcriber
        )

    def restore(self, image: Any, record: dict[str, Any]) -> SeemSession:  # type: ignore[override]
        """Continues the dialogue that `Session.to_json` wrote, on the same picture, with memory."""
        session = self.session(image)
        session.replay(record)
        return session

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
        words = vocabulary_of(vocabulary)
        embedded, class_logits, masks = self._all(image, words)
        way = predictor.phrase_way(embedded.frame)
        found = results.panoptic(class_logits, masks, way, words, score=score, overlap=overlap)
        return _with_picture(found, embedded)

    def instances(self, image: Any, vocabulary: Words = None, *, top: int = results.TOP) -> Segments:
        """Finds all things, best first; masks may overlap.

        Args:
            image: what `embed` returned, or anything that it takes, which is then embedded for classes.
            vocabulary: the classes; by default COCO's 133, of which 80 are things.
            top: how many pairs of mask and class are looked at.
        """
        words = vocabulary_of(vocabulary)
        embedded, class_logits, masks = self._all(image, words)
        way = predictor.phrase_way(embedded.frame)
        found = results.instances(class_logits, masks, way, words, top=top)
        return found.replace(image=embedded.image.pixels)

    def semantic(self, image: Any, vocabulary: Words = None) -> PanopticSegments:
        """Gives every pixel a class: one segment for each class that occurs, the largest first.

        Args:
            image: what `embed` returned, or anything that it takes, which is then embedded for classes.
            vocabulary: the classes; by default COCO's 133.
        """
        words = vocabulary_of(vocabulary)
        embedded, class_logits, masks = self._all(image, words)
        found = results.semantic(class_logits, masks, predictor.phrase_way(embedded.frame), words)
        return _with_picture(found, embedded)

    def label(self, image: Any, segments: Segments, vocabulary: Words = None) -> Segments:
        """Names masks of any origin, such as SAM's: the class of what SEEM sees where each mask is.

        Empty masks get no label.

        Args:
            image: what `embed` returned, or anything that it takes.
            segments: masks of that picture.
            vocabulary: the classes; by default COCO's 133.

        Raises:
            InputError: the masks are of another picture.
        """
        return predictor.label(self._engine, self._seen(image), segments, vocabulary_of(vocabulary))

    def match(
        self, image: Any, text: Text | str, *, threshold: float | None = None, iou: float = 0.7
    ) -> Segments:
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

    def track(
        self, frames: Iterable[Any], reference: Reference, vocabulary: Words = None
    ) -> Iterator[Segments]:
        """Finds the like of a reference in every frame, each on its own, and yields one result per frame.

        Args:
            frames: pictures, or what `embed` returned.
            reference: a region of one picture, as a rule the first frame.
            vocabulary: classes for the labels; by default COCO's 133.
        """
        for frame in frames:
            yield self.segment(frame, reference, vocabulary=vocabulary)

    def embed_tiles(self, image: Any, *, tile: int = 1024) -> NoReturn:
        """Refuses: tiles are for SAM models."""
        self._only_sam("tiles are", "segment(image, ...)")

    def is_cached(self, image: Any) -> bool:
        """Returns False: embeddings of SEEM are not kept."""
        return False

    def everything(self, image: Any, options: Any = None, **others: Any) -> NoReturn:  # type: ignore[override]
        """Refuses: SEEM needs no search; `panoptic` finds everything that has a class."""
        self._only_sam("the search for everything is", "panoptic(image) or instances(image)")

    def iter_everything(self, image: Any, options: Any = None, **others: Any) -> NoReturn:  # type: ignore[override]
        """Refuses; see `everything`."""
        self.everything(image)

    def edges(self, image: Any, **others: Any) -> NoReturn:  # type: ignore[override]
        """Refuses: edge maps are drawn from SAM's masks."""
        self._only_sam("edge maps are", "panoptic(image)")

    def proposals(self, image: Any, top: int = 1000, **others: Any) -> NoReturn:  # type: ignore[override]
        """Refuses: proposals are SAM's masks."""
        self._only_sam("proposals are", "instances(image)")

    def _only_sam(self, what: str, instead: str) -> NoReturn:
        raise InputError(f"{what[0].upper()}{what[1:]} for SAM models. With {self._model} use {instead}.")

    def _seen(self, image: Any, scale: Scale = "prompts") -> SeemImage:
        if not isinstance(image, SeemImage):
            return self.embed(image, scale=scale)
        self._check_model(image.model)
        return image

    def _all(self, image: Any, words: Any) -> tuple[SeemImage, Float32, Float32]:
        """Returns the picture, and of all queries the class logits and masks, without any prompt."""
        embedded = self._seen(image, "classes")
        (reply,) = self._seem.decode(embedded.features, [SeemRequest()])
        logits = self._seem.class_logits(reply.captions, self._engine.banks.bank(words))
        return embedded, logits, reply.masks


def _with_picture(found: PanopticSegments, embedded: SeemImage) -> PanopticSegments:
    return PanopticSegments(found.segments.replace(image=embedded.image.pixels), found.categories)
