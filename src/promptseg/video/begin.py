"""How a segmenter begins a session on a clip."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptseg.errors import InputError
from promptseg.formats.reading import read_json
from promptseg.segment.sam import SamSegmenter
from promptseg.video.clips import Clip, Selection, open_clip
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
    clip = source if isinstance(source, Clip) else open_clip(source, selection=Selection(start, end, stride))
    track = VideoTrack(segmenter, clip)
    if record is not None:
        track.replay(record)
    return track
