"""A folder of embeddings in float16: one file per picture, model and precision, safe with several processes.

A file appears under its name only when it is whole (`files.atomic_write`), carries a SHA-256 of its content, and says
which key it answers. Whatever does not fit (cut off, damaged, made by something else) is deleted and counts as absent.
"""

import contextlib
import hashlib
import json
import math
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptseg.arrays import Float16
from promptseg.errors import InputError
from promptseg.files import atomic_write

_MAGIC = b"promptseg emb 1\n"  # the number changes whenever the same picture is embedded differently
_DIGEST_BYTES = 32
_LARGEST = 2**28
_HEAD = 512  # what comes before the numbers is shorter, and begins with the picture
_NAME = re.compile(r"[0-9a-f]{64}\.embedding")
_LEFTOVER = re.compile(r"\.[0-9a-f]{40}\.[0-9a-f]{16}\.part")
_LEFTOVER_SECONDS = 3600.0
_CHECKS_PER_LIMIT = 16


@dataclass(frozen=True, slots=True)
class EmbeddingKey:
    """What an embedding depends on.

    Attributes:
        picture: `Image.digest`, the hash of the pixels.
        model: the model's name.
        weights: `Network.digest`, the hash of the tensors.
        precision: the arithmetic of the engine. Engines of one precision differ by less than float16 rounds away.
    """

    picture: str
    model: str
    weights: str
    precision: str

    @property
    def digest(self) -> str:
        """One hash (hex) of all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class EmbeddingFiles:
    """Embeddings in a folder, found by `EmbeddingKey`.

    Args:
        folder: where they are; made when the first one is written.
        limit: the most bytes to keep; the entries that were not used for longest go first. Each process looks after
            every sixteenth part of the limit that it has written, so the folder may be so much larger for a while.

    Raises:
        InputError: the limit is not positive, or `folder` is a file.
    """

    def __init__(self, folder: str | os.PathLike[str], *, limit: int | None = None) -> None:
        self.folder = Path(folder)
        if limit is not None and limit < 1:
            raise InputError(f"The limit of an embedding cache must be at least 1 byte, got {limit}.")
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"The embedding cache {self.folder} is a file. Give a folder.")
        self.limit = limit
        self._written: float = math.inf  # since the last trimming; the first write looks at what is there
        self._lock = threading.Lock()

    def path(self, key: EmbeddingKey) -> Path:
        """Returns where the embedding of `key` lies, if it is there."""
        digest = key.digest
        return self.folder / digest[:2] / f"{digest}.embedding"

    def __contains__(self, key: EmbeddingKey) -> bool:
        return self.read(key) is not None

    def read(self, key: EmbeddingKey) -> Float16 | None:
        """Returns the embedding of `key`, or None; a file that is no whole embedding of `key` is deleted."""
        path = self.path(key)
        try:
            if path.stat().st_size > _LARGEST:
                return self._drop(path)
            content = path.read_bytes()
        except OSError:
            return None
        features = _unpack(content, key)
        if features is None:
            return self._drop(path)
        with contextlib.suppress(OSError):  # a folder that may only be read serves as well
            os.utime(path)
        return features

    def write(self, key: EmbeddingKey, features: Float16) -> None:
        """Stores an embedding, then trims the folder to its limit when it is time.

        Raises:
            OutputError: it cannot be written.
        """
        content = _pack(key, features)
        with atomic_write(self.path(key)) as file:
            file.write(content)
        with self._lock:
            self._written += len(content)
            due = self.limit is not None and self._written > self.limit / _CHECKS_PER_LIMIT
            self._written = 0 if due else self._written
        if due:
            self.trim()

    def forget(self, picture: str) -> None:
        """Deletes the embeddings of a picture, whatever made them."""
        wanted = json.dumps({"picture": picture}).encode()[1:-1]
        for _, _, path in self._entries():
            with contextlib.suppress(OSError):
                with path.open("rb") as file:
                    mine = wanted in file.read(_HEAD)
                if mine:
                    path.unlink()

    def size(self) -> int:
        """Returns how many bytes the embeddings take."""
        return sum(size for _, size, _ in self._entries())

    def trim(self) -> None:
        """Deletes what killed processes left behind and, beyond the limit, the entries unused for longest."""
        self._sweep()
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if self.limit is None or total <= self.limit:
                return
            with contextlib.suppress(OSError):  # another process may be trimming, too
                path.unlink()
            total -= size

    def _entries(self) -> Iterator[tuple[int, int, Path]]:
        """Yields (time of last use, bytes, path) of every embedding."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*.embedding"):
            if _NAME.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    status = path.stat()
                    yield status.st_mtime_ns, status.st_size, path

    def _sweep(self) -> None:
        for path in self.folder.glob("[0-9a-f][0-9a-f]/.*.part"):
            with contextlib.suppress(OSError):
                old = time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS
                if old and _LEFTOVER.fullmatch(path.name):
                    path.unlink()

    def _drop(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()


def _pack(key: EmbeddingKey, features: Float16) -> bytes:
    header = json.dumps({"key": asdict(key), "shape": features.shape}).encode() + b"\n"
    body = header + np.ascontiguousarray(features, "<f2").tobytes()
    return _MAGIC + hashlib.sha256(body).digest() + body


def _unpack(content: bytes, key: EmbeddingKey) -> Float16 | None:
    start = len(_MAGIC) + _DIGEST_BYTES
    body = content[start:]
    if not content.startswith(_MAGIC) or hashlib.sha256(body).digest() != content[len(_MAGIC) : start]:
        return None
    # The hash was right, so these are the bytes that `_pack` joined; only the key may be another's.
    line, _, data = body.partition(b"\n")
    header: dict[str, Any] = json.loads(line)
    if header["key"] != asdict(key):
        return None
    return np.frombuffer(data, "<f2").reshape(header["shape"]).astype(np.float16, copy=False)
