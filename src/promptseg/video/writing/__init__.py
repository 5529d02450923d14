"""Writing what was followed: films, pictures, tables and JSON, frame by frame."""

from promptseg.video.writing.table import WRITERS, write_track

__all__ = ["WRITERS", "write_track"]
