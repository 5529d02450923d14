"""The class bank: one vector per class name, made from 81 sentences each and kept on disk (specification B2.4)."""

import contextlib
import hashlib
from pathlib import Path

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import OutputError, WeightsError
from promptseg.models.seem.templates import sentences
from promptseg.models.seem.tokenizer import tokenizer
from promptseg.models.store import cache_folder
from promptseg.models.tensors import read_safetensors, write_safetensors
from promptseg.runtimes.seem import SeemRuntime
from promptseg.vocabulary import Vocabulary


class ClassBanks:
    """Makes class banks, and remembers them: in memory, and as small files beside the cached weights.

    The 133 classes of COCO take a minute on a small processor, once for every checkpoint.

    Args:
        runtime: whose text encoder reads the sentences.
        folder: where the files are; by default "classes" in the folder of cached weights.
    """

    def __init__(self, runtime: SeemRuntime, folder: Path | None = None) -> None:
        self._runtime, self._folder = runtime, folder
        self._known: dict[tuple[str, ...], Float32] = {}
        self._digest: str | None = None

    def bank(self, vocabulary: Vocabulary) -> Float32:
        """Returns unit vectors (C + 1, 512), that of the background last."""
        names = vocabulary.bank_names
        if names not in self._known:
            path = self._path(names)
            bank = _read(path, len(names))
            if bank is None:
                bank = self._runtime.class_bank([tokenizer()(sentences(name)).ids for name in names])
                with contextlib.suppress(OutputError):  # a folder that cannot be written costs time only
                    write_safetensors(path, {"bank": bank})
            self._known[names] = bank
        return self._known[names]

    def _path(self, names: tuple[str, ...]) -> Path:
        if self._digest is None:
            self._digest = self._runtime.text_digest()
        digest = hashlib.sha256("\n".join((self._digest, *names)).encode()).hexdigest()
        return (self._folder or cache_folder() / "classes") / f"{digest[:32]}.safetensors"


def _read(path: Path, count: int) -> Float32 | None:
    """Returns a bank that was kept; None if there is none, or a damaged one, which is then made anew."""
    try:
        bank = read_safetensors(path)["bank"]
    except (WeightsError, KeyError):
        return None
    good = bank.shape == (count, 512) and bank.dtype == np.float32 and bool(np.isfinite(bank).all())
    return bank if good else None
