"""What computes: Whisper in CTranslate2, and the network that tells speech from other sound. Nobody else knows them."""

import zlib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import UnavailableError, WeightsError
from promptseg.speech.recording import RATE
from promptseg.vocabulary import COCO_THINGS

BEAMS = 5
LONGEST = 96
"""Tokens of an answer: a phrase has about ten."""
WINDOW = 10
"""Seconds that the network looks at, or so many times them as a longer recording needs. Whisper was trained on 30; for
phrases, 10 are understood as well and cost a quarter."""
BEFORE = {"en": f" {', '.join(COCO_THINGS)}.", "ja": ""}
"""What the network is told was said before: single words without a context are often mistaken. All names of common
things, since Whisper favours what it was told: with some of them, "zebra" became "the giraffe"."""
LIKELY_JAPANESE = 0.5
"""Short English words sound a little like Japanese ones: Japanese must be more probable than this."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the network writes down of a recording, and what it thinks of that.

    Attributes:
        words: as they were written.
        language: "en" or "ja".
        chances: how probable each language is, by its code; empty where one was given.
        no_speech: how probable it is that nobody speaks.
        log_probability: the mean of the tokens'.
        repetition: how many times smaller the words become when they are compressed; phrases that repeat have much.
    """

    words: str
    language: str
    chances: dict[str, float]
    no_speech: float
    log_probability: float
    repetition: float


class SpeechEngine(Protocol):
    """What `Whisper` needs of an engine."""

    def speaks(self, samples: Float32) -> bool:
        """Returns whether there is a voice in a recording."""
        ...

    def write(self, samples: Float32, languages: tuple[str, ...]) -> Said:
        """Writes down a recording in the likeliest of some languages."""
        ...


class CTranslateEngine:
    """Whisper in CTranslate2, in int8 on the processor. Safe to call from several threads.

    Args:
        folder: the model (`promptseg.models.whisper.speech_folder`).
        threads: computing threads.

    Raises:
        UnavailableError: the extra `speech` is not installed.
        WeightsError: the folder does not hold such a model.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        need_engine()
        from faster_whisper import WhisperModel

        try:
            self._model: Any = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
            )
        except Exception as error:  # files may be damaged in as many ways as there are readers
            raise WeightsError(f"{folder} holds no Whisper that CTranslate2 can read ({error}).") from error

    def speaks(self, samples: Float32) -> bool:
        """Returns whether there is a voice in a recording, by Silero's detector."""
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        options = VadOptions(threshold=0.3, min_speech_duration_ms=60, min_silence_duration_ms=500)
        return bool(get_speech_timestamps(samples, options))

    def write(self, samples: Float32, languages: tuple[str, ...]) -> Said:
        """Writes down a recording, of which one look at the sound is enough for the language and for the words."""
        model = self._model
        frames = model.feature_extractor(samples)
        most = model.feature_extractor.nb_max_frames
        step = WINDOW * most // 30
        window = min(most, -(-samples.size * most // (30 * RATE * step)) * step)
        seen = model.encode(np.pad(frames, ((0, 0), (0, max(0, window - frames.shape[1]))))[:, :window])
        chances: dict[str, float] = {}
        if len(languages) > 1:
            chances = {token.strip("<|>"): float(chance) for token, chance in model.model.detect_language(seen)[0]}
        language = next(iter(languages))
        if chances:
            language = "ja" if chances.get("ja", 0.0) > LIKELY_JAPANESE else "en"
        write = ("<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>")
        tokenizer = model.hf_tokenizer
        before = tokenizer.encode(BEFORE[language], add_special_tokens=False).ids
        context = [tokenizer.token_to_id("<|startofprev|>"), *before] if before else []
        prompt = [*context, *map(tokenizer.token_to_id, write)]
        results: list[Any] = model.model.generate(
            seen,
            [prompt],
            beam_size=BEAMS,
            max_length=len(prompt) + LONGEST,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
        )
        result = results[0]
        tokens = result.sequences_ids[0]
        words = tokenizer.decode(tokens).strip()
        content = words.encode()
        return Said(
            words,
            language,
            chances,
            float(result.no_speech_prob),
            float(result.scores[0]) * len(tokens) / (len(tokens) + 1),
            len(content) / len(zlib.compress(content)) if content else 0.0,
        )


def need_engine() -> None:
    """Refuses where the extra `speech` is missing.

    Raises:
        UnavailableError: it is.
    """
    try:
        for name in ("av", "faster_whisper"):
            import_module(name)
    except ImportError as error:
        raise UnavailableError.extra(f"Speech recognition ({error.name})", "speech") from error
