"""ONNX Runtime: the default engine, on any processor, in float32."""

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import UnavailableError
from promptseg.geometry import Size
from promptseg.models.network import Network
from promptseg.runtimes.protocol import DecoderInputs, DecoderOutputs
from promptseg.runtimes.retouch import retoucher_of
from promptseg.runtimes.scout import ScoutAnswer, ScoutView, scout_view
from promptseg.runtimes.seem_tiny import GraphSource

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class OnnxRuntime:
    """Runs a network's graphs in ONNX Runtime. Sessions are made when first needed and are safe across threads."""

    name = "onnx"
    precision = "float32"

    def __init__(self, network: Network, *, threads: int) -> None:
        self._network = network
        self.choice = network.choice
        self.retouch = retoucher_of(network, threads)
        self.threads = threads
        self._sessions: dict[str, InferenceSession] = {}
        self._lock = threading.Lock()

    def encode(self, image: Float32) -> Float32:
        """Embeds normalised, padded pictures; see `Runtime.encode`."""
        return self._run("encoder", {"image": image})[0]

    def decode(self, embedding: Float32, inputs: DecoderInputs, *, official: bool = False) -> DecoderOutputs:
        """Decodes prompts on one picture; see `Runtime.decode`."""
        feeds = {"features": embedding, "points": inputs.points, "labels": inputs.labels}
        if inputs.mask_logits is not None:
            feeds["mask_logits"] = inputs.mask_logits
        return DecoderOutputs(
            *self._run(self._network.decoder(inputs.mask_logits is not None, official), feeds)
        )

    def view(self, embedding: Float32, resized: Size) -> ScoutView:
        """Prepares an embedding for `scout`; see `Runtime.view`."""
        return scout_view(self._network, embedding, resized)

    def scout(self, view: ScoutView, point: Float32, worth: float) -> ScoutAnswer:
        """Tries one click; see `Runtime.scout`."""
        seen, filters, scores = self._run("look", view.feeds(point[None]))
        if not (scores > worth).any():
            return ScoutAnswer(scores[0], None)
        return ScoutAnswer(scores[0], self._run("paint", {"seen": seen, "filters": filters})[0][0])

    def _run(self, graph: str, feeds: dict[str, np.ndarray[Any, Any]]) -> list[Float32]:
        return self._session(graph).run(None, feeds)  # type: ignore[return-value]

    def _session(self, graph: str) -> "InferenceSession":
        with self._lock:
            if graph not in self._sessions:
                self._sessions[graph] = self._load(graph)
            return self._sessions[graph]

    def _load(self, graph: str) -> "InferenceSession":
        # Clicks are tried side by side, each in one thread.
        return _open(self._network.model(graph), 1 if graph in ("look", "paint") else self.threads)


class OnnxGraphs:
    """Runs small networks in ONNX Runtime; see `runtimes.tiny.Graphs`.

    Args:
        network: holds the graphs.
        threads: how many compute.
        patient: they wait for the next call, so that it starts sooner; wrong beside another engine, which needs the
            processors in the meantime.
    """

    def __init__(self, network: GraphSource, *, threads: int, patient: bool = True) -> None:
        self._network, self._threads, self._patient = network, threads, patient
        self._sessions: dict[str, InferenceSession] = {}
        self._lock = threading.Lock()

    def run(self, graph: str, feeds: dict[str, Any]) -> list[Float32]:
        """Runs one graph."""
        with self._lock:
            if graph not in self._sessions:
                self._sessions[graph] = _open(
                    self._network.model(graph), self._threads, patient=self._patient
                )
        return self._sessions[graph].run(None, feeds)  # type: ignore[return-value]


def run_model(model: bytes, feeds: dict[str, Any], *, threads: int = 1) -> list[Float32]:
    """Runs a serialised ONNX model once."""
    return _open(model, threads).run(None, feeds)  # type: ignore[return-value]


def _open(model: bytes, threads: int, *, patient: bool = True) -> "InferenceSession":
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise UnavailableError(
            "ONNX Runtime is not installed. Install it with: pip install onnxruntime"
        ) from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if not patient:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
