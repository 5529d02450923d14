"""The clips that clients have uploaded: files under the hash of their bytes, in a folder for its owner alone."""

import contextlib
import hashlib
import json
import threading
from pathlib import Path
from typing import Any

from promptseg.files import write_bytes
from promptseg.notes import told
from promptseg.server.http_errors import HttpError, too_large
from promptseg.server.settings import Limits
from promptseg.video.clips import Clip, Selection, open_clip

_WHAT = "The clip"


class Videos:
    """Keeps clips. Safe to call from several threads; its methods block.

    Args:
        folder: where.
        limits: how many and how large they may be.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._lock = threading.Lock()
        for file in [*folder.glob("*.clip"), *folder.glob(".*.part")] if folder.is_dir() else ():
            if not file.with_suffix(".json").exists():  # what a kill left in the middle of an upload
                file.unlink(missing_ok=True)

    def add(self, content: bytes, name: str) -> tuple[dict[str, Any], bool]:
        """Keeps a clip; returns its record, and whether it is new.

        Raises:
            HttpError: 413, there is no room for more.
            InputError: it is no clip, or breaks a limit.
            UnavailableError: it is a film, and the server cannot read films.
        """
        key = hashlib.sha256(content).hexdigest()
        with self._lock:
            with contextlib.suppress(HttpError):
                return self.record(key), False
            kept = self._files()
            if len(kept) >= self._limits.max_videos:
                raise too_large(f"The server keeps {self._limits.max_videos:,} clips, which is its limit. Delete some.")
            if sum(file.stat().st_size for file in kept) + len(content) > self._limits.video_bytes:
                raise too_large(f"The server keeps {self._limits.video_bytes:,} bytes of clips at most. Delete some.")
            notes: list[str] = []
            with told(notes.append):
                clip = open_clip(content, limits=self._limits.clip, name=_WHAT)
            if clip.expected is not None:
                last = clip.expected - 1
                self._limits.clip.check_frame(last, last / clip.rate, _WHAT)
            height, width = clip.size
            record: dict[str, Any] = {
                "id": key,
                "name": name,
                "width": width,
                "height": height,
                "rate": round(clip.rate, 3),
            }
            record["frames"] = clip.expected
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_bytes(self._folder / f"{key}.clip", content)
            write_bytes(self._folder / f"{key}.json", json.dumps(record).encode())
            return record, True

    def record(self, key: str) -> dict[str, Any]:
        """Returns what is known of a clip.

        Raises:
            HttpError: 404, there is none of this id.
        """
        try:
            return json.loads((self._folder / f"{key}.json").read_bytes())
        except OSError as error:
            raise HttpError(404, "NotFoundError", f"There is no clip {key}. Upload it first.") from error

    def records(self) -> list[dict[str, Any]]:
        """Returns all clips, the oldest first."""
        with self._lock:
            return [self.record(file.stem) for file in self._files()]

    def open(self, key: str, selection: Selection) -> Clip:
        """Opens a clip.

        Raises:
            HttpError: 404, there is none of this id.
        """
        self.record(key)
        try:
            content = (self._folder / f"{key}.clip").read_bytes()
        except OSError as error:
            raise HttpError(404, "NotFoundError", f"There is no clip {key}. Upload it first.") from error
        return open_clip(content, selection=selection, limits=self._limits.clip, name=_WHAT)

    def drop(self, key: str) -> None:
        """Deletes a clip.

        Raises:
            HttpError: 404, there is none of this id.
        """
        with self._lock:
            self.record(key)
            for ending in ("json", "clip"):
                (self._folder / f"{key}.{ending}").unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        files = self._folder.glob("*.clip") if self._folder.is_dir() else ()
        return sorted(files, key=lambda file: (file.stat().st_mtime_ns, file.name))
