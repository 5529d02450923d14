"""The BSDS500 boundary benchmark: matching, scores, and two classical detectors."""

from promptseg.datasets.layouts.bsds import EdgeSample, open_edge_dataset
from promptseg.evaluate.edges.detectors import Canny, EdgeDetector, Sobel
from promptseg.evaluate.edges.scores import EdgeScores, Tally, score, tally

__all__ = [
    "Canny",
    "EdgeDetector",
    "EdgeSample",
    "EdgeScores",
    "Sobel",
    "Tally",
    "open_edge_dataset",
    "score",
    "tally",
]
