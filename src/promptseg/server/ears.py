"""What a server hears with: one recogniser for all, made when the first recording comes."""

import base64
import threading
from pathlib import Path

from promptseg.errors import PromptError, UnavailableError, WeightsError
from promptseg.models.whisper import speech_folder
from promptseg.server.http_errors import too_large, unsupported
from promptseg.server.schemas import SentRecording
from promptseg.server.settings import Limits
from promptseg.speech.engine import need_engine
from promptseg.speech.recording import RecordingLimits
from promptseg.speech.whisper import Heard, Whisper


class Ears:
    """Writes recordings down. Safe across threads.

    Args:
        model: a folder with Whisper, or its name; by default the largest that was downloaded.
        limits: see `Limits`.
    """

    def __init__(self, model: str | Path | None, limits: Limits) -> None:
        self._model, self._limits = model, limits
        self._whisper: Whisper | None = None
        self._lock = threading.Lock()

    @property
    def there(self) -> bool:
        """Whether recordings are understood here."""
        try:
            need_engine()
            speech_folder(self._model)
        except (UnavailableError, WeightsError):
            return False
        return True

    def hear(self, recording: SentRecording, language: str | None) -> Heard:
        """Returns what is said; blocks.

        Raises:
            HttpError: 413, it is too large; 422, there is no speech recognition here.
            PromptError: it is damaged, too long, or not understood.
        """
        most = self._limits.max_audio_bytes
        if len(recording.data) > (most + 2) // 3 * 4:
            raise too_large(f"The recording has more than {most:,} bytes, which is the limit. Send a shorter one.")
        try:
            content = base64.b64decode(recording.data, validate=True)
        except ValueError as error:
            raise PromptError(f"A recording is not base64: {error}.") from error
        limits = RecordingLimits(max_seconds=self._limits.max_audio_seconds, max_bytes=most)
        return self._made().hear(content, language=language, limits=limits)

    def _made(self) -> Whisper:
        with self._lock:
            if self._whisper is None:
                try:
                    self._whisper = Whisper(self._model)
                except (UnavailableError, WeightsError) as error:
                    raise unsupported(
                        "This server has no speech recognition. Send the words as text; who runs it may install "
                        "promptseg[speech] and run: promptseg models download whisper-base"
                    ) from error
            return self._whisper
