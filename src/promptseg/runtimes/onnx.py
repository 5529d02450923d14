"""ONNX Runtime: the default engine, on any processor, in float32."""

from promptseg.arrays import Float32
from promptseg.geometry import Size
from promptseg.models.network import Network
from promptseg.runtimes.onnx_graphs import OnnxGraphs
from promptseg.runtimes.protocol import DecoderInputs, DecoderOutputs
from promptseg.runtimes.scout import ScoutAnswer, ScoutView, scout_view


class OnnxRuntime:
    """Runs a network's graphs in ONNX Runtime. Sessions are made when first needed and are safe across threads."""

    name = "onnx"
    precision = "float32"

    def __init__(self, network: Network, *, threads: int, precision: str = "auto", device: str = "cpu") -> None:
        self._network = network
        self.threads = threads
        self._graphs = OnnxGraphs(network, threads=threads)
        # Clicks are tried side by side, each in one thread.
        self._scouts = OnnxGraphs(network, threads=1, frugal=False)

    def encode(self, image: Float32) -> Float32:
        """Embeds normalised, padded pictures; see `Runtime.encode`."""
        return self._graphs.run("encoder", {"image": image})[0]

    def decode(self, embedding: Float32, inputs: DecoderInputs, *, official: bool = False) -> DecoderOutputs:
        """Decodes prompts on one picture; see `Runtime.decode`."""
        feeds = {"features": embedding, "points": inputs.points, "labels": inputs.labels}
        if inputs.mask_logits is not None:
            feeds["mask_logits"] = inputs.mask_logits
        graph = self._network.decoder(inputs.mask_logits is not None, official)
        return DecoderOutputs(*self._graphs.run(graph, feeds))

    def view(self, embedding: Float32, resized: Size) -> ScoutView:
        """Prepares an embedding for `scout`; see `Runtime.view`."""
        return scout_view(self._network, embedding, resized)

    def scout(self, view: ScoutView, point: Float32, worth: float) -> ScoutAnswer:
        """Tries one click; see `Runtime.scout`."""
        seen, filters, scores = self._scouts.run("scout", view.feeds(point[None]))
        if not (scores > worth).any():
            return ScoutAnswer(scores[0], None)
        return ScoutAnswer(scores[0], self._scouts.run("paint", {"seen": seen, "filters": filters})[0][0])
