"""The BSDS500 boundary benchmark: ODS, OIS, AP and R50 of edge detectors."""

from promptseg.evaluate.edges.contest import EdgeReport, run_edges
from promptseg.evaluate.edges.detectors import Canny, EdgeDetector, SegmenterEdges, Sobel
from promptseg.evaluate.edges.scores import EdgeScores, Tally, score, tally
from promptseg.evaluate.edges.truth import EdgeSample, open_edge_dataset

__all__ = [
    "Canny",
    "EdgeDetector",
    "EdgeReport",
    "EdgeSample",
    "EdgeScores",
    "SegmenterEdges",
    "Sobel",
    "Tally",
    "open_edge_dataset",
    "run_edges",
    "score",
    "tally",
]
