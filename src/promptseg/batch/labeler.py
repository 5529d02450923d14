"""`Labeler`: a batch of pictures in, a batch of SA-1B records out. Local workers and Ray Data call the same object."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any, TypeAlias

from promptseg.errors import OutputError, PromptsegError
from promptseg.formats.sa1b import image_id_of, sa1b_text
from promptseg.images import Image
from promptseg.images.bands import ReadingOptions
from promptseg.models.store import file_sha256
from promptseg.runtimes.options import EngineOptions
from promptseg.segment.everything.options import EverythingOptions
from promptseg.segment.segmenter import Segmenter

Columns: TypeAlias = Mapping[str, Sequence[Any]]
"""Columns of equal length: lists, or NumPy arrays."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelerSettings:
    """What a `Labeler` is made of; plain values, so that it can be sent to other processes and machines.

    Attributes:
        engine: the model and what computes it. The weights lie under the same path on every machine; the threads are
            those of each worker.
        options: how masks are found.
        reading: how pictures are read.
    """

    engine: EngineOptions = field(default_factory=EngineOptions)
    options: EverythingOptions = field(default_factory=EverythingOptions)
    reading: ReadingOptions = field(default_factory=ReadingOptions)

    def essence(self) -> dict[str, Any]:
        """Returns, as JSON, what the records depend on: not how many threads there were, nor where the files lay.

        Raises:
            WeightsError: the weights cannot be read.
        """
        engine = self.engine
        return {
            "model": engine.model,
            "weights": None if engine.weights is None else file_sha256(Path(engine.weights)),
            "runtime": engine.runtime,
            "precision": engine.precision,
            "rounded": engine.cache is not None and self.options.mode != "exact",
            "options": asdict(self.options),
            **({} if self.reading.plain else {"reading": asdict(self.reading)}),
        }


class Labeler:
    """Finds all masks of pictures and writes them as SA-1B records.

    Args:
        settings: the model and the options.

    Raises:
        WeightsError: the weights are not at hand or do not fit the model.
        InputError: an unknown runtime, precision or device.
        UnavailableError: the runtime is not installed.
    """

    def __init__(self, settings: LabelerSettings) -> None:
        self._segmenter = Segmenter.of(settings.engine)
        self._options, self._reading = settings.options, settings.reading

    def __call__(self, batch: Columns) -> dict[str, list[str]]:
        """Labels a batch.

        Args:
            batch: a column "path", or "bytes" (whole picture files) and "name". "name" may stand beside "path", too; by
                default the path is the name. Where a column "error" says something, the picture has failed before:
                it is passed on.

        Returns:
            Columns "name"; "record", JSON text, empty when the picture failed; and "error", why it did, else empty.

        Raises:
            OutputError: the embedding cache cannot be written, which is no picture's fault.
        """
        sources = batch["bytes"] if "bytes" in batch else batch["path"]
        names = [str(name) for name in (batch["name"] if "name" in batch else batch["path"])]
        failed = batch["error"] if "error" in batch else [""] * len(names)
        records: list[str] = []
        errors: list[str] = []
        for name, source, before in zip(names, sources, failed, strict=True):
            record, error = ("", str(before)) if before else self._attempt(name, source)
            records.append(record)
            errors.append(error)
        return {"name": names, "record": records, "error": errors}

    def _attempt(self, name: str, source: Any) -> tuple[str, str]:
        """Returns (record, "") or ("", error): among millions of pictures, none may end the run."""
        try:
            return self.label(name, source), ""
        except OutputError:
            raise
        except PromptsegError as error:
            return "", str(error)
        except MemoryError:
            return "", f"{name} does not fit into memory."
        except Exception as error:
            return "", f"{name}: unexpected {type(error).__name__}: {error}"

    def label(self, name: str, source: Any) -> str:
        """Returns the record of one picture as JSON text.

        Args:
            name: what the picture is called; its number follows from it.
            source: a path, or the bytes of a file.

        Raises:
            ImageError: the picture cannot be read or is too large.
        """
        given, how = bytes(source) if isinstance(source, bytes) else str(source), self._reading
        picture = Image.open(given, name=name, page=how.page, channels=how.channels, levels=how.levels)
        segments = self._segmenter.everything(picture, self._options)
        return sa1b_text(segments, PurePath(name).name, image_id_of(name))
