"""Named graphs in ONNX Runtime, which is always there: SAM's, seem-tiny's, and those of the companions."""

import threading
from typing import TYPE_CHECKING, Any

from promptseg.arrays import Float32
from promptseg.errors import UnavailableError
from promptseg.runtimes.protocol import GraphSource

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class OnnxGraphs:
    """Runs a network's graphs in ONNX Runtime; see `Graphs`. Sessions are made when first needed.

    Args:
        network: holds the graphs.
        threads: how many compute.
        patient: they wait for the next call, so that it starts sooner; wrong beside another engine, which needs the
            processors in the meantime.
        frugal: what a call needed is given back after it. Otherwise it is kept for the next one, as often as calls ever
            ran side by side: four pictures embedded at once leave 550 MB behind. Small graphs that run thousands of
            times are quicker without.
    """

    def __init__(self, network: GraphSource, *, threads: int, patient: bool = True, frugal: bool = True) -> None:
        self._network, self._threads, self._patient = network, threads, patient
        self._frugal = frugal
        self._sessions: dict[str, InferenceSession] = {}
        self._lock = threading.Lock()

    def run(self, graph: str, feeds: dict[str, Any]) -> list[Float32]:
        """Runs one graph."""
        with self._lock:
            if graph not in self._sessions:
                self._sessions[graph] = _open(self._network.model(graph), self._threads, patient=self._patient)
        return self._sessions[graph].run(None, feeds, _frugal() if self._frugal else None)  # type: ignore[return-value]


def run_model(model: bytes, feeds: dict[str, Any], *, threads: int = 1) -> list[Float32]:
    """Runs a serialised ONNX model once."""
    return _open(model, threads).run(None, feeds)  # type: ignore[return-value]


def _frugal() -> Any:
    import onnxruntime as ort

    options: Any = ort.RunOptions()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _open(model: bytes, threads: int, *, patient: bool = True) -> "InferenceSession":
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise UnavailableError("ONNX Runtime is not installed. Install it with: pip install onnxruntime") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if not patient:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
