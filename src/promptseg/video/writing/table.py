"""The table of formats of clips, and writing several of them at once."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from promptseg.errors import InputError, OutputError
from promptseg.files import check_new
from promptseg.video.track import TrackedFrame, VideoTrack
from promptseg.video.writing.films import OverlayWriter, ProresWriter, WebmWriter
from promptseg.video.writing.pictures import AlphaWriter, DavisWriter
from promptseg.video.writing.tables import CsvWriter, MotWriter, SessionWriter, VisWriter
from promptseg.video.writing.writer import ClipWriter, WrittenTrack

WRITERS: Mapping[str, type[ClipWriter]] = {
    "overlay": OverlayWriter,
    "webm": WebmWriter,
    "davis": DavisWriter,
    "json": VisWriter,
    "mot": MotWriter,
    "csv": CsvWriter,
    "alpha": AlphaWriter,
    "prores": ProresWriter,
    "session": SessionWriter,
}
"""How clips are written, by the words of the command line."""


def check_formats(names: Iterable[str]) -> None:
    """Refuses unknown formats.

    Raises:
        InputError: one is unknown.
    """
    for name in names:
        if name not in WRITERS:
            raise InputError(f"Unknown format {name!r}: expected one of {', '.join(WRITERS)}.")


def check_places(
    folder: Path, stem: str, names: Iterable[str], *, overwrite: bool = False, source: str | None = None
) -> None:
    """Refuses, before anything is computed, a folder that holds results of the clip.

    Args:
        folder: where results go.
        stem: how names of files begin.
        names: keys of `WRITERS`.
        overwrite: whether results that are there give way; a folder does so only if it holds nothing but PNG files.
        source: the clip, which never does.

    Raises:
        OutputError: it does.
    """
    for name in names:
        target = folder / f"{stem}{WRITERS[name].ending}"
        check_new(target, overwrite=overwrite, source=source)
        if target.is_dir() and any(file.is_dir() or file.suffix != ".png" for file in target.iterdir()):
            raise OutputError(f"{target} holds other files than PNG pictures. Choose another place with -o.")


def write_track(
    track: VideoTrack, folder: Path, stem: str, names: Sequence[str], frames: Iterable[TrackedFrame] | None = None
) -> list[Path]:
    """Writes what was followed, frame by frame.

    Args:
        track: what is written.
        folder: where.
        stem: how names of files begin.
        names: keys of `WRITERS`.
        frames: the frames, by default all of the clip.

    Returns:
        The files, and the folders of files of single frames.

    Raises:
        InputError: an unknown format.
        OutputError: a file cannot be written.
        UnavailableError: a film is asked for, and the extra `video` is not installed.
    """
    check_formats(names)
    about = WrittenTrack.of(track, stem)
    with ExitStack() as stack:
        writers = [stack.enter_context(WRITERS[name](folder, about)) for name in dict.fromkeys(names)]
        for item in track.frames() if frames is None else frames:
            for writer in writers:
                writer.add(item)
    return [writer.target for writer in writers]
