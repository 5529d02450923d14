"""What was trained beside a model to answer prompts, ready to compute, whatever engine SAM's own graphs run in."""

from collections.abc import Callable
from dataclasses import dataclass, field

from promptseg.arrays import Float32
from promptseg.models.companions.choice import Choice
from promptseg.models.companions.load import CompanionNetworks
from promptseg.models.companions.retouch import NAME, RetouchInputs
from promptseg.runtimes.onnx_graphs import OnnxGraphs
from promptseg.runtimes.protocol import Graphs


@dataclass(frozen=True, eq=False)
class Retoucher:
    """Runs the retouching network. Safe to call from several threads.

    Attributes:
        engine: what computes; it starts at the first call.
    """

    engine: Graphs

    def __call__(self, inputs: RetouchInputs) -> Float32:
        """Returns the logits (h, w) of a window."""
        return self.engine.run(NAME, inputs.feeds())[0][0, 0]


@dataclass(frozen=True, slots=True, eq=False)
class Companions:
    """What helps SAM's decoder to answer prompts, each None where it was not trained for the model.

    Attributes:
        choice: tells which of the masks answers a click.
        retouch: draws the border of a corrected mask anew (h, w).
    """

    choice: Choice | None = field(default=None, repr=False)
    retouch: Callable[[RetouchInputs], Float32] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, networks: CompanionNetworks, threads: int) -> "Companions":
        """Makes the networks of a model ready; what needs an engine runs in ONNX Runtime, which is always there."""
        if networks.retouch is None:
            return cls(networks.choice)
        return cls(networks.choice, Retoucher(OnnxGraphs(networks.retouch, threads=threads, patient=False)))


NO_COMPANIONS = Companions()
"""Beside a model for which nothing was trained."""
