"""Opening a clip: what it is, its content decides."""

import os
from pathlib import Path

from promptseg.errors import InputError
from promptseg.video.clips.animation import AnimationClip
from promptseg.video.clips.clip import Clip, ClipLimits, Selection
from promptseg.video.clips.film import FilmClip
from promptseg.video.clips.folder import FolderClip

_ANIMATED = (b"GIF87a", b"GIF89a", b"\x89PNG\r\n\x1a\n")
_STILL = (b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM")


def open_clip(
    source: str | os.PathLike[str] | bytes,
    *,
    selection: Selection | None = None,
    limits: ClipLimits | None = None,
    name: str | None = None,
) -> Clip:
    """Opens a clip: a film file, a folder of pictures, or an animated picture.

    Args:
        source: a path, or the bytes of a file.
        selection: which frames are looked at; by default all.
        limits: what it may be.
        name: what messages call it; by default its path.

    Raises:
        InputError: there is no such file, it is no clip, is wholly damaged, or breaks a limit.
        UnavailableError: it is a film, and the extra `video` is not installed.
    """
    selection, limits = selection or Selection(), limits or ClipLimits()
    if isinstance(source, bytes):
        return _of_file(source, source[:16], name or "The clip", selection, limits)
    path = Path(source)
    if os.path.isdir(path):
        return FolderClip(path, selection, limits)
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except (OSError, ValueError) as error:
        raise InputError(f"The clip {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    return _of_file(path, head, name or f"The clip {path}", selection, limits)


def _of_file(source: Path | bytes, head: bytes, name: str, selection: Selection, limits: ClipLimits) -> Clip:
    if not head:
        raise InputError(f"{name} is empty: it has no bytes.")
    if head.startswith(_STILL):
        raise InputError(f"{name} is a single picture. Give a film, a folder or an animation; or: promptseg segment")
    if head.startswith(_ANIMATED) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        if isinstance(source, Path):
            limits.check_bytes(source.stat().st_size, name)
            source = source.read_bytes()
        return AnimationClip(source, name, selection, limits)
    return FilmClip(source, name, selection, limits)
