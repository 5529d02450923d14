"""Segmentation with words, classes and references: SEEM behind the facade. Knows no torch."""

from promptseg.segment.seem.segmenter import SeemSegmenter
from promptseg.segment.seem.session import SeemSession

__all__ = ["SeemSegmenter", "SeemSession"]
