"""`EmbeddingCache`: pictures that were embedded before are not embedded again, in memory and on disk."""

import os
import threading
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError, OutputError
from promptseg.geometry import ResizeFrame
from promptseg.images import Image
from promptseg.models.network import Network
from promptseg.notes import note
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage, embed
from promptseg.segment.embedding_files import EmbeddingFiles, EmbeddingKey

Features: TypeAlias = npt.NDArray[np.float16] | npt.NDArray[np.float32]

MEMORY_BYTES = 128 * 2**20
"""How much a cache keeps in memory unless told otherwise: 64 pictures with a folder behind it, 32 without."""


class EmbeddingCache:
    """Keeps embeddings by the content of the picture, the model with its weights, and the precision.

    Without a folder, the features are kept in memory as they were computed. With a folder they are kept in float16,
    in memory and on disk, and every embedding that passes through is rounded to float16, a fresh one as well: the
    same picture gives the same masks, whether the cache was cold or warm. `exact=True` goes past such a cache.

    A folder that cannot be written, full or read-only, costs time and is told once: the embedding is good all the same.

    One cache may serve several segmenters, threads and (its folder) processes.

    Args:
        folder: keep embeddings there, too (2 MiB each); None: in memory only.
        memory_bytes: the most bytes to keep in memory; what was not used for longest goes first. 0: none.
        disk_bytes: the most bytes to keep in the folder, likewise; None: no limit.
        must_write: whether a folder that cannot be written is an error.

    Raises:
        InputError: a limit is negative, or `folder` is a file.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        memory_bytes: int = MEMORY_BYTES,
        disk_bytes: int | None = None,
        must_write: bool = False,
    ) -> None:
        if memory_bytes < 0:
            raise InputError(f"memory_bytes must not be negative, got {memory_bytes}.")
        if folder is None and disk_bytes is not None:
            raise InputError("disk_bytes limits a folder: give one.")
        self._files = None if folder is None else EmbeddingFiles(folder, limit=disk_bytes)
        self._limit = memory_bytes
        self._memory: OrderedDict[EmbeddingKey, Features] = OrderedDict()
        self._bytes = 0
        self._must_write, self._said = must_write, False
        self._lock = threading.Lock()
        # One lock per key in the making, so that two threads with the same picture encode it once.
        self._making: weakref.WeakValueDictionary[EmbeddingKey, _Turn] = weakref.WeakValueDictionary()

    @classmethod
    def of(cls, cache: "str | os.PathLike[str] | EmbeddingCache | None") -> "EmbeddingCache | None":
        """Returns a cache for what `Segmenter(cache=...)` takes: a folder, a cache, or None."""
        return cache if cache is None or isinstance(cache, EmbeddingCache) else cls(cache)

    @property
    def folder(self) -> Path | None:
        """Where embeddings are kept on disk, if they are."""
        return None if self._files is None else self._files.folder

    @property
    def memory_bytes(self) -> int:
        """How many bytes are in memory now."""
        return self._bytes

    def __len__(self) -> int:
        """Returns how many embeddings are in memory now."""
        return len(self._memory)

    def embed(self, runtime: Runtime, image: Image, network: Network, *, exact: bool = False) -> EmbeddedImage:
        """Embeds a picture, or finds its embedding.

        Args:
            runtime: the engine.
            image: the picture.
            network: what the engine computes.
            exact: the features must be those that the engine computes, unrounded: a cache with a folder is neither
                asked nor filled.

        Raises:
            OutputError: the folder cannot be written, and must be.
        """
        if exact and self._files is not None:
            return embed(runtime, image, network.base)
        key = key_of(runtime, image, network)
        with self._lock:
            turn = self._making.setdefault(key, _Turn())
        with turn.lock:
            features = self._find(key)
            if features is None:
                features = self._keep(key, embed(runtime, image, network.base).features)
        rounded = features.dtype == np.float16
        used = features.astype(np.float32)  # a copy if rounded, and cheap beside decoding either way
        used.flags.writeable = False
        return EmbeddedImage(used, ResizeFrame.fit(image.size), image, network.base, rounded)

    def holds(self, runtime: Runtime, image: Image, network: Network) -> bool:
        """Returns whether the embedding of a picture is at hand, whole."""
        return self._find(key_of(runtime, image, network)) is not None

    def _find(self, key: EmbeddingKey) -> Features | None:
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
        stored = None if self._files is None else self._files.read(key)
        if stored is not None:
            self._remember(key, stored)
        return stored

    def _keep(self, key: EmbeddingKey, features: npt.NDArray[np.float32]) -> Features:
        kept: Features = features
        if self._files is not None:
            with np.errstate(over="ignore"):
                kept = features.astype(np.float16)
            if not np.isfinite(kept).all():
                return features  # float16 cannot hold it: neither rounded nor kept, now or next time
            try:
                self._files.write(key, kept)
            except OutputError as error:  # what was computed is good all the same
                if self._must_write:
                    raise
                self._say(f"Embeddings are kept in memory only: {error}")
        self._remember(key, kept)
        return kept

    def _say(self, text: str) -> None:
        with self._lock:
            first, self._said = not self._said, True
        if first:
            note(text)

    def forget(self, picture: str) -> None:
        """Forgets the embeddings of a picture, by all models, in memory and in the folder.

        Args:
            picture: its digest.
        """
        with self._lock:
            for key in [key for key in self._memory if key.picture == picture]:
                self._bytes -= self._memory.pop(key).nbytes
        if self._files is not None:
            self._files.forget(picture)

    def _remember(self, key: EmbeddingKey, features: Features) -> None:
        with self._lock:
            if key in self._memory or features.nbytes > self._limit:
                return
            self._memory[key] = features
            self._bytes += features.nbytes
            while self._bytes > self._limit:
                _, oldest = self._memory.popitem(last=False)
                self._bytes -= oldest.nbytes


class _Turn:
    """A lock that a weak dictionary can hold."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def key_of(runtime: Runtime, image: Image, network: Network) -> EmbeddingKey:
    """Returns what the embedding of `image` by this engine and network is kept under."""
    return EmbeddingKey(image.digest, network.base, network.digest, runtime.precision)
