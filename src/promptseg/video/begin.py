"""How a segmenter begins a session on a clip."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptseg.errors import InputError
from promptseg.formats.reading import read_json
from promptseg.segment.sam import SamSegmenter
from promptseg.video.clips import Clip, ClipLimits, Selection, open_clip
from promptseg.video.clips.pictures import PicturesClip
from promptseg.video.track import VideoTrack


def begin(
    segmenter: SamSegmenter,
    source: Any,
    *,
    start: int,
    end: int | None,
    stride: int,
    session: Mapping[str, Any] | str | os.PathLike[str] | None,
) -> VideoTrack:
    """Opens a clip and begins, or continues, a session on it; see `Segmenter.video`.

    Raises:
        InputError: the clip or the record cannot be read, or do not belong together.
        UnavailableError: the clip is a film, and the extra `video` is not installed.
    """
    record = session if session is None or isinstance(session, Mapping) else read_json(Path(session))
    if record is not None and not isinstance(record, Mapping):
        raise InputError("A session record is a JSON object, as VideoTrack.to_json wrote it.")
    track = VideoTrack(segmenter, _opened(source, Selection(start, end, stride)))
    if record is not None:
        track.replay(record)
    return track


def _opened(source: Any, selection: Selection) -> Clip:
    if isinstance(source, Clip):
        return source
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        return PicturesClip(source, selection, ClipLimits())
    if not isinstance(source, str | bytes | os.PathLike):
        raise InputError(f"A clip is a path, the bytes of a file or some pictures, got {type(source).__name__}.")
    return open_clip(source, selection=selection)
