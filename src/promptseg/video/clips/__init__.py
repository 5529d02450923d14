"""Reading clips: films, folders of pictures and animated pictures, decoded on the way."""

from promptseg.video.clips.clip import Clip, ClipFrame, ClipLimits, Selection
from promptseg.video.clips.open import open_clip

__all__ = ["Clip", "ClipFrame", "ClipLimits", "Selection", "open_clip"]
