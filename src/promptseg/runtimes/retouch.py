"""The retouching network in ONNX Runtime, which is always there, whatever engine SAM's own graphs run in."""

from dataclasses import dataclass

from promptseg.arrays import Float32
from promptseg.models.companions.retouch import NAME, RetouchInputs
from promptseg.models.network import Network
from promptseg.runtimes.seem_tiny import Graphs


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


def retoucher_of(network: Network, threads: int) -> Retoucher | None:
    """Returns the engine of a model's retouching network, or None where it has none."""
    from promptseg.runtimes.onnx import OnnxGraphs

    if network.retouch is None:
        return None
    return Retoucher(OnnxGraphs(network.retouch, threads=threads, patient=False))
