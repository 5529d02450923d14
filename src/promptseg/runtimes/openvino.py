"""OpenVINO: the fastest engine on most x86 processors; in bfloat16 or float16 where the processor is fast in it."""

import io
import threading
from typing import Any

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import UnavailableError
from promptseg.geometry import Size
from promptseg.models.network import Network
from promptseg.runtimes.fitting import fast_precision, processor_features
from promptseg.runtimes.openvino_halves import split_decoder
from promptseg.runtimes.openvino_rounding import spare_encoder, whole_levels
from promptseg.runtimes.protocol import DecoderInputs, DecoderOutputs, GraphSource
from promptseg.runtimes.scout import ScoutAnswer, ScoutView, scout_view

_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_SCOUT = ("scout", "paint")
"""Graphs of which many small requests run at a time."""


class OpenVinoRuntime:
    """Runs a network's graphs in OpenVINO on the CPU. Graphs are compiled when first needed.

    In float16 only the encoder computes in it: all else is quick as it is.
    """

    name = "openvino"

    def __init__(self, network: Network, *, threads: int, precision: str = "auto", device: str = "cpu") -> None:
        self._core = _core()
        self.precision = fast_precision(processor_features(), tuple(_HINTS)) if precision == "auto" else precision
        self._network = network
        self.threads = threads
        self._compiled: dict[str, Any] = {}
        self._reduced = self.precision == "bfloat16"
        self._drawings = ("decoder", "mask_decoder") if self._reduced else ()
        self._lock = threading.Lock()
        self._local = threading.local()

    def encode(self, image: Float32) -> Float32:
        """Embeds normalised, padded pictures; see `Runtime.encode`."""
        take = whole_levels if self._reduced else np.asarray
        return np.concatenate([self._run("encoder", {"image": take(one[None])})[0] for one in image])

    def decode(self, embedding: Float32, inputs: DecoderInputs, *, official: bool = False) -> DecoderOutputs:
        """Decodes prompts on one picture; see `Runtime.decode`.

        One object at a time: the graphs are compiled for one, and larger batches are not faster on a CPU.
        """
        parts: list[list[Float32]] = []
        graph = self._network.decoder(inputs.mask_logits is not None, official)
        for row in range(len(inputs.labels)):
            one = slice(row, row + 1)
            feeds = {"features": embedding, "points": inputs.points[one], "labels": inputs.labels[one]}
            if inputs.mask_logits is not None:
                feeds["mask_logits"] = inputs.mask_logits[one]
            parts.append(self._run(graph, feeds))
        logits, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        return DecoderOutputs(logits, scores)

    def view(self, embedding: Float32, resized: Size) -> ScoutView:
        """Prepares an embedding for `scout`; see `Runtime.view`."""
        return scout_view(self._network, embedding, resized)

    def scout(self, view: ScoutView, point: Float32, worth: float) -> ScoutAnswer:
        """Tries one click; see `Runtime.scout`."""
        results = self._request("scout").infer(view.feeds(point[None]), share_inputs=True, share_outputs=True)
        seen, filters, scores = (results[index] for index in range(3))
        answer = scores[0].copy()
        if not (answer > worth).any():
            return ScoutAnswer(answer, None)
        drawn = self._request("paint").infer({"seen": seen, "filters": filters}, share_inputs=True, share_outputs=True)
        return ScoutAnswer(answer, drawn[0][0].copy())

    def _run(self, graph: str, feeds: dict[str, Any]) -> list[Float32]:
        results = self._request(graph).infer(feeds)
        found = [results[index] for index in range(len(results))]
        if graph in self._drawings:
            *drawn, scores = found
            masks = self._request(f"{graph} drawing").infer(drawn, share_inputs=True)
            found = [masks[0], scores]
        return [array.copy() for array in found]

    def _request(self, graph: str) -> Any:
        """Returns this thread's own request: one request serves one caller at a time."""
        requests: dict[str, Any] = self._local.__dict__.setdefault("requests", {})
        if graph not in requests:
            requests[graph] = self._model(graph).create_infer_request()
        return requests[graph]

    def _model(self, graph: str) -> Any:
        with self._lock:
            if graph in self._drawings and graph not in self._compiled:
                attention, drawing = split_decoder(self._read(graph))
                self._compiled[graph] = self._compile(attention, "float32")
                self._compiled[f"{graph} drawing"] = self._compile(drawing, self.precision)
            if graph not in self._compiled:
                precision = self.precision if self._reduced or graph == "encoder" else "float32"
                self._compiled[graph] = self._compile(self._read(graph), precision, several=graph in _SCOUT)
            return self._compiled[graph]

    def _read(self, graph: str) -> Any:
        model = self._core.read_model(io.BytesIO(self._network.model(graph)))
        if graph not in _SCOUT:
            model.reshape({port.any_name: _one(port.partial_shape) for port in model.inputs})
        if graph == "encoder" and self._reduced:
            spare_encoder(model)
        return model

    def _compile(self, model: Any, precision: str, *, several: bool = False) -> Any:
        # Several: as many small requests at a time as there are threads.
        purpose = {"NUM_STREAMS": self.threads} if several else {"PERFORMANCE_HINT": "LATENCY"}
        return _compile(self._core, model, precision, self.threads, purpose)


class OpenVinoGraphs:
    """Runs the graphs of seem-tiny in OpenVINO, in float32; see `Graphs`."""

    def __init__(self, network: GraphSource, *, threads: int) -> None:
        self._core = _core()
        self._network, self._threads = network, threads
        self._compiled: dict[str, Any] = {}
        self._lock = threading.Lock()

    def run(self, graph: str, feeds: dict[str, Any]) -> list[Float32]:
        """Runs one graph."""
        with self._lock:
            if graph not in self._compiled:
                model = self._core.read_model(io.BytesIO(self._network.model(graph)))
                self._compiled[graph] = _compile(
                    self._core, model, "float32", self._threads, {"PERFORMANCE_HINT": "LATENCY"}
                )
            compiled = self._compiled[graph]
        results = compiled.create_infer_request().infer(feeds)
        return [results[index].copy() for index in range(len(results))]


def _core() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise UnavailableError.extra("OpenVINO", "openvino") from error
    return openvino.Core()


def _compile(core: Any, model: Any, precision: str, threads: int, purpose: dict[str, Any]) -> Any:
    options = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "INFERENCE_NUM_THREADS": threads, **purpose}
    return core.compile_model(model, "CPU", options)


def _one(shape: Any) -> list[int]:
    """Fixes the batch to one; the number of tokens stays open."""
    return [1, *(side.get_length() if side.is_static else -1 for side in list(shape)[1:])]
