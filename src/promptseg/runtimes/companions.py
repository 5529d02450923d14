"""What was trained beside a model to answer prompts, ready to compute, whatever engine SAM's own graphs run in."""

from dataclasses import dataclass, field

from promptseg.models.companions.choice import Choice
from promptseg.models.companions.retouch import RetouchNetwork
from promptseg.models.registry import CompanionFiles, loaded
from promptseg.runtimes.onnx_graphs import OnnxGraphs
from promptseg.runtimes.protocol import Graphs


@dataclass(frozen=True, slots=True, eq=False)
class Companions:
    """What helps SAM's decoder to answer prompts, each None where it was not trained for the model.

    Attributes:
        choice: tells which of the masks answers a click.
        retouch: draws the border of a corrected mask anew; it runs in ONNX Runtime, which is always there.
    """

    choice: Choice | None = field(default=None, repr=False)
    retouch: Graphs | None = field(default=None, repr=False)

    @classmethod
    def of(cls, files: CompanionFiles, threads: int) -> "Companions":
        """Loads the companions of a model and makes them ready; an engine starts at the first call."""
        network = loaded(RetouchNetwork.read, files.retouch)
        retouch = None if network is None else OnnxGraphs(network, threads=threads, patient=False)
        return cls(loaded(Choice.read, files.choice), retouch)


NO_COMPANIONS = Companions()
"""Beside a model for which nothing was trained."""
