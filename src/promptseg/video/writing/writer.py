"""What all writers of clips share: they take frame by frame, and leave nothing behind when they come to no end."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from promptseg.masks.paint import Colour, distinct_colours
from promptseg.video.clips import Clip
from promptseg.video.track import TrackedFrame, VideoTrack


@dataclass(frozen=True, slots=True)
class WrittenTrack:
    """What a writer knows before the first frame.

    Attributes:
        clip: the clip.
        stem: how names of files begin.
        labels: names of the objects, by their ids; what has none is "object".
        session: returns the record of the session.
    """

    clip: Clip
    stem: str
    labels: Mapping[int, str]
    session: Callable[[], Mapping[str, Any]]

    @classmethod
    def of(cls, track: VideoTrack, stem: str) -> "WrittenTrack":
        """Describes a track."""
        labels = {key: item.label or "object" for key, item in sorted(track.objects.items())}
        return cls(track.clip, stem, labels, track.to_json)

    @property
    def places(self) -> dict[int, int]:
        """The number of each object in files, from 1, by its id."""
        return {key: place for place, key in enumerate(self.labels, start=1)}

    @property
    def colours(self) -> dict[int, Colour]:
        """A colour for each object, by its id."""
        return dict(zip(self.labels, distinct_colours(len(self.labels)), strict=True))


class ClipWriter(ABC):
    """Writes one kind of result. It is a context: what is written appears when the block ends well.

    Attributes:
        ending: what follows the stem in the name of the file, or of the folder for files of single frames.
        help: what it is, for the command line.
    """

    ending: ClassVar[str]
    help: ClassVar[str]

    def __init__(self, folder: Path, about: WrittenTrack) -> None:
        self.about = about
        self.target = folder / f"{about.stem}{self.ending}"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self.end()
            except BaseException as failure:
                self._stack.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._stack.__exit__(kind, error, trace)

    def begin(self) -> None:  # noqa: B027 - not all need it
        """Prepares the file."""

    @abstractmethod
    def add(self, item: TrackedFrame) -> None:
        """Takes the next frame."""

    def end(self) -> None:  # noqa: B027 - not all need it
        """Writes what is left."""
