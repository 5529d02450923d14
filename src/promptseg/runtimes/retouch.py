"""The retouching network in ONNX Runtime, which is always there, whatever engine SAM's own graphs run in."""

import threading
from dataclasses import dataclass, field

from promptseg.models.network import Network
from promptseg.models.retouch import NAME, RetouchInputs, retouch_of
from promptseg.runtimes.protocol import Float32
from promptseg.runtimes.tiny import Graphs, GraphSource


@dataclass(frozen=True, eq=False)
class Retoucher:
    """Runs the retouching network. Safe to call from several threads; the engine starts at the first call.

    Attributes:
        network: its weights.
        threads: how many threads compute.
    """

    network: GraphSource
    threads: int
    _engines: list[Graphs] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, inputs: RetouchInputs) -> Float32:
        """Returns the logits (h, w) of a window."""
        return self._engine().run(NAME, inputs.feeds())[0][0, 0]

    def _engine(self) -> Graphs:
        from promptseg.runtimes.onnx import OnnxGraphs

        with self._lock:
            if not self._engines:
                self._engines.append(OnnxGraphs(self.network, threads=self.threads, patient=False))
            return self._engines[0]


def retoucher_of(network: Network, threads: int) -> Retoucher | None:
    """Returns the engine of the retouching network that was trained for a model's masks, or None."""
    found = retouch_of(network.name) if network.choice is not None else None
    return None if found is None else Retoucher(found, threads)
