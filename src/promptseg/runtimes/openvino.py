"""OpenVINO: the fastest engine on x86 processors; bfloat16 where the processor computes in it."""

import io
import threading
from typing import Any

from promptseg.errors import InputError, UnavailableError
from promptseg.models.network import Network
from promptseg.runtimes.protocol import DecoderInputs, DecoderOutputs, Float32

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoRuntime:
    """Runs a network's graphs in OpenVINO on the CPU. Graphs are compiled when first needed."""

    name = "openvino"

    def __init__(self, network: Network, *, threads: int, precision: str = "auto") -> None:
        try:
            import openvino
        except ImportError as error:
            raise UnavailableError.extra("OpenVINO", "openvino") from error
        self._core: Any = openvino.Core()
        capable = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "auto":
            precision = "bfloat16" if capable else "float32"
        if precision not in _HINTS:
            raise InputError(f"OpenVINO computes in float32 or bfloat16, got precision={precision!r}.")
        self.precision = precision
        self._network = network
        self._threads = threads
        self._compiled: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._local = threading.local()

    def encode(self, image: Float32) -> Float32:
        """Embeds normalised, padded pictures; see `Runtime.encode`."""
        return self._run("encoder", {"image": image})[0]

    def decode(self, embedding: Float32, inputs: DecoderInputs) -> DecoderOutputs:
        """Decodes prompts on one picture; see `Runtime.decode`."""
        feeds = {"features": embedding, "points": inputs.points, "labels": inputs.labels}
        if inputs.mask_logits is None:
            return DecoderOutputs(*self._run("decoder", feeds))
        return DecoderOutputs(*self._run("mask_decoder", {**feeds, "mask_logits": inputs.mask_logits}))

    def _run(self, graph: str, feeds: dict[str, Any]) -> list[Float32]:
        results = self._request(graph).infer(feeds)
        return [results[index].copy() for index in range(len(results))]

    def _request(self, graph: str) -> Any:
        """Returns this thread's own request: one request serves one caller at a time."""
        requests: dict[str, Any] = self._local.__dict__.setdefault("requests", {})
        if graph not in requests:
            requests[graph] = self._model(graph).create_infer_request()
        return requests[graph]

    def _model(self, graph: str) -> Any:
        with self._lock:
            if graph not in self._compiled:
                model = self._core.read_model(io.BytesIO(self._network.model(graph)))
                if graph == "encoder":
                    model.reshape([1, 3, self._network.side, self._network.side])
                options = {
                    "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
                    "INFERENCE_NUM_THREADS": self._threads,
                    "PERFORMANCE_HINT": "LATENCY",
                }
                self._compiled[graph] = self._core.compile_model(model, "CPU", options)
            return self._compiled[graph]
