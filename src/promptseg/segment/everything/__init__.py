"""Segment everything: automatic masks of a whole picture, exact (as SAM's generator) or fast."""

from promptseg.segment.everything.generate import everything, iter_everything
from promptseg.segment.everything.options import EverythingOptions, Mode

__all__ = ["EverythingOptions", "Mode", "everything", "iter_everything"]
