"""Who takes part in the simulated clicks: our session, and SAM's official recipe on the same weights."""

import numpy as np

from promptseg.errors import PromptsegError
from promptseg.evaluate.samples import BoolArray
from promptseg.images import Image
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.encode import encode_object
from promptseg.prompts.types import Point
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.predictor import decode
from promptseg.segment.segmenter import Segmenter
from promptseg.segment.session import Session


class OfficialRecipe:
    """The recipe of SAM's demo and training (specification A3.6), on the checkpoint's own decoder.

    The first click gives three masks, of which the best-scored is taken; from then on all clicks so far, the
    previous logits and the single-mask output.
    """

    name = "official recipe"

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._embedded: EmbeddedImage | None = None
        self._points: tuple[Point, ...] = ()
        self._memory: np.ndarray | None = None  # type: ignore[type-arg]

    def start(self, image: Image) -> None:
        """Begins a new picture."""
        self._embedded = self._segmenter.embed(image)

    def begin(self) -> None:
        """Begins a new object."""
        self._points, self._memory = (), None

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        """Adds a click and returns the mask."""
        if self._embedded is None:
            raise PromptsegError("start() comes before click().")
        self._points = (*self._points, Point(x, y, positive))
        item = encode_object(self._points, self._embedded.frame, memory=self._memory)
        (found,) = decode(self._segmenter.runtime, self._embedded, [item], official=True)
        chosen = found.best_of_three() if item.ambiguous else 0
        logits = found.logits[chosen]
        self._memory = logits
        return upsample_to_rle(logits, self._embedded.frame).dense()


class OurSession:
    """`Segmenter.session`, as a user has it."""

    name = "promptseg"

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._embedded: EmbeddedImage | None = None
        self._session: Session | None = None

    def start(self, image: Image) -> None:
        """Begins a new picture."""
        self._embedded = self._segmenter.embed(image)

    def begin(self) -> None:
        """Begins a new object."""
        self._session = self._segmenter.session(self._embedded)

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        """Adds a click and returns the mask."""
        if self._session is None:
            raise PromptsegError("begin() comes before click().")
        return self._session.add(Point(x, y, positive)).dense()[0]
