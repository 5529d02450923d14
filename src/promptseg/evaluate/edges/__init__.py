"""The BSDS500 boundary benchmark: matching, scores, and two classical detectors."""

from promptseg.evaluate.edges.detectors import Canny, EdgeDetector, Sobel
from promptseg.evaluate.edges.scores import EdgeScores, Tally, score, tally

__all__ = ["Canny", "EdgeDetector", "EdgeScores", "Sobel", "Tally", "score", "tally"]
