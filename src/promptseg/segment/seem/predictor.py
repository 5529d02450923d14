"""Prompts to masks with SEEM: pure functions of an embedding and prompts (specification B2.5, B4)."""

from collections.abc import Sequence

import numpy as np

from promptseg.arrays import Float32, sigmoid
from promptseg.errors import InputError
from promptseg.masks.resample import Enlargement
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.prompts.speech import Transcriber
from promptseg.prompts.touched import touched_pixels
from promptseg.prompts.types import Mask, ObjectPrompts
from promptseg.prompts.words import Audio, Text
from promptseg.runtimes.seem import SeemReply, SeemRequest, cosines
from promptseg.segment.answer import Answer
from promptseg.segment.seem.engine import SeemEngine, mean_cosine
from promptseg.segment.seem.picture import SeemFrame, SeemImage
from promptseg.segment.seem.results import matching
from promptseg.speech.hear import heard
from promptseg.vocabulary import Vocabulary, Words, vocabulary_of

CHUNK = 8
"""Masks labelled per call: it bounds memory."""

NEAR = 0.8
"""Without a threshold, everything matches a phrase whose score is this share of the best (chosen, not measured)."""


def answer(
    engine: SeemEngine,
    embedded: SeemImage,
    prompts: ObjectPrompts,
    *,
    vocabulary: Words = None,
    transcriber: Transcriber | None = None,
    previous: Float32 | None = None,
) -> Answer:
    """Answers all prompts of one object.

    All prompts influence the queries. One query is chosen: by the touched pixels if there are positive ones, else by
    the reference, else by the phrases, else by what was spoken. `previous` are the mask logits of the round before;
    for the rest see `SeemSegmenter.segment`.

    Raises:
        PromptError: a prompt does not fit the picture, or nothing is positive.
        UnavailableError: there is a recording, and nothing that writes it down.
    """
    prompts = heard(prompts, transcriber)
    request = engine.request(prompts, embedded, previous)
    (reply,) = engine.runtime.decode(embedded.features, [request])
    scores, by_place = _fit(reply, request)
    query = int(scores.argmax())
    way = region_way(embedded.frame) if by_place else phrase_way(embedded.frame)
    logits = way.logits(reply.masks[query])
    mask = RLE.encode(logits > 0)
    score = _quality(logits) if by_place else float(scores[query])
    label = None if by_place or vocabulary is not None else _phrase(prompts)
    if label is None:
        label = classes(engine, reply.captions[query : query + 1], vocabulary_of(vocabulary))[0]
    return Answer(prompts, mask, reply.masks[query], score, embedded, label, query=query)


def answer_together(engine: SeemEngine, embedded: SeemImage, texts: Sequence[Text]) -> list[Answer]:
    """Answers phrases that are read in one go, as in the official evaluation; each chooses its own query."""
    phrases = engine.phrases(text.phrase for text in texts)
    (reply,) = engine.runtime.decode(embedded.features, [SeemRequest(text=phrases)])
    scores = cosines(reply.captions, phrases.sentences)
    way = phrase_way(embedded.frame)
    queries = scores.argmax(axis=0).tolist()
    return [
        Answer((text,), way.mask(low), low, float(score), embedded, text.phrase)
        for text, low, score in zip(texts, reply.masks[queries], scores.max(axis=0), strict=True)
    ]


def match(
    engine: SeemEngine, embedded: SeemImage, text: Text, *, threshold: float | None = None, iou: float = 0.7
) -> Segments:
    """Returns everything that fits a phrase, best first, as `SeemSegmenter.match` says."""
    if threshold is not None and not -1 <= threshold <= 1:
        raise InputError(f"A cosine lies between -1 and 1, got the threshold {threshold!r}.")
    phrases = engine.phrases([text.phrase])
    (reply,) = engine.runtime.decode(embedded.features, [SeemRequest(text=phrases)])
    scores = cosines(reply.captions, phrases.sentences)[:, 0]
    best = float(scores.max())
    least = (NEAR * best if best > 0 else best) if threshold is None else threshold
    found = matching(scores, reply.masks, phrase_way(embedded.frame), text.phrase, threshold=least, iou=iou)
    return found.replace(prompts=((text,),) * len(found), image=embedded.image.pixels)


def label(engine: SeemEngine, embedded: SeemImage, segments: Segments, vocabulary: Vocabulary) -> Segments:
    """Names every mask: with the mask as a prompt, the class of the query that answers it.

    Raises:
        InputError: the masks are of another picture.
    """
    if segments.size != embedded.size:
        raise InputError(f"The masks are of a picture of {tuple(segments.size)}, this one has {tuple(embedded.size)}.")
    frame = embedded.frame
    labels: list[str | None] = [None] * len(segments)
    rows = [row for row, mask in enumerate(segments.masks) if mask.area]
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        touched = (touched_pixels([Mask(segments.masks[row].dense())], frame.original, frame.resized) for row in chunk)
        requests = [SeemRequest(positive=place.positive, negative=place.negative) for place in touched]
        replies = engine.runtime.decode(embedded.features, requests)
        captions = np.stack([reply.captions[_best(reply)] for reply in replies])
        for row, name in zip(chunk, classes(engine, captions, vocabulary), strict=True):
            labels[row] = name
    return segments.with_labels(labels)


def classes(engine: SeemEngine, captions: Float32, vocabulary: Vocabulary) -> list[str]:
    """Returns the likeliest class of each caption (N, 512); the background is never one."""
    logits = engine.runtime.class_logits(captions, engine.banks.bank(vocabulary))
    return [vocabulary.labels[number] for number in logits[:, :-1].argmax(axis=1).tolist()]


def phrase_way(frame: SeemFrame) -> Enlargement:
    """Returns how masks are enlarged that were chosen by words or classes (specification B7.1)."""
    return frame.enlargement("bilinear", "bicubic-antialias")


def region_way(frame: SeemFrame) -> Enlargement:
    """Returns how masks are enlarged that were chosen by touched pixels or a reference."""
    return frame.enlargement("bicubic", "bicubic")


def _fit(reply: SeemReply, request: SeemRequest) -> tuple[Float32, bool]:
    """Returns how well each query fits, (Q,), and whether that was judged by a region."""
    for scores in (reply.touch, reply.visual):
        if scores is not None:
            return scores, True
    phrases = request.text or request.audio
    assert phrases is not None  # noqa: S101 - a request has something positive
    return mean_cosine(cosines(reply.captions, phrases.sentences)), False


def _best(reply: SeemReply) -> int:
    assert reply.touch is not None  # noqa: S101 - the mask is not empty
    return int(reply.touch.argmax())


def _phrase(prompts: ObjectPrompts) -> str | None:
    phrases = [prompt.phrase for prompt in prompts if isinstance(prompt, Text | Audio) and prompt.phrase]
    return ", ".join(phrases) or None


def _quality(logits: Float32) -> float:
    inside = logits[logits > 0]
    return float(sigmoid(inside).mean(dtype=np.float64)) if inside.size else 0.0
