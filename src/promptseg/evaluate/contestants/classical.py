"""Classical edge detectors as contestants."""

from promptseg.arrays import Float32
from promptseg.errors import PromptsegError
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.edges.detectors import EdgeDetector
from promptseg.images import Image


class ClassicalEdges(Contestant):
    """An edge detector.

    Args:
        detector: what finds the edges.
    """

    abilities = frozenset({"edges"})

    def __init__(self, detector: EdgeDetector) -> None:
        super().__init__()
        self._detector = detector
        self.name, self.settings = detector.name, detector.settings
        self._image: Image | None = None

    def start(self, image: Image) -> None:
        """Takes a new picture."""
        self._image = image

    def edges(self) -> Float32:
        """Returns the edge map."""
        if self._image is None:
            raise PromptsegError("start() comes before edges().")
        return self._detector(self._image)
