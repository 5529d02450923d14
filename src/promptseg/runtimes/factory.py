"""Chooses and makes the engine for a network."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from promptseg.errors import InputError
from promptseg.models.network import Network
from promptseg.models.seem_tiny.weights import TinyNetwork
from promptseg.runtimes.protocol import Runtime
from promptseg.runtimes.seem_tiny import TinyRuntime

RUNTIMES = ("auto", "onnx", "openvino", "torch")


def available_runtimes() -> tuple[str, ...]:
    """Names the engines whose packages are installed, fastest on a CPU first."""
    packages = {"openvino": "openvino", "onnx": "onnxruntime", "torch": "torch"}
    return tuple(name for name, package in packages.items() if find_spec(package) is not None)


def default_threads() -> int:
    """Counts the processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def create_runtime(
    network: Network,
    runtime: str = "auto",
    *,
    precision: str = "auto",
    device: str = "cpu",
    threads: int | None = None,
) -> Runtime:
    """Makes an engine for `network`.

    Args:
        network: the loaded model.
        runtime: "onnx", "openvino", "torch", or "auto": torch on a device other than the CPU, else OpenVINO when
            it is installed, else ONNX Runtime.
        precision: "float32", "bfloat16", or "auto": bfloat16 only in OpenVINO on a processor that computes in it.
        device: "cpu", and for torch "cuda", "cuda:1", "mps".
        threads: how many threads compute; by default as many as this process may use processors.

    Raises:
        InputError: an unknown name, or a combination that the engine does not offer.
        UnavailableError: the engine is not installed.
    """
    if runtime not in RUNTIMES:
        raise InputError(f"Unknown runtime {runtime!r}: expected one of {', '.join(RUNTIMES)}.")
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, got {threads}.")
    if runtime == "auto":
        runtime = _choose(device, precision)
    if device != "cpu" and runtime != "torch":
        raise InputError(
            f"The {runtime} runtime computes on the CPU only, got device={device!r}. Use runtime='torch'."
        )
    count = threads or default_threads()

    def make_onnx() -> Runtime:
        from promptseg.runtimes.onnx import OnnxRuntime

        if precision not in ("auto", "float32"):
            raise InputError(f"ONNX Runtime computes in float32 on the CPU, got precision={precision!r}.")
        return OnnxRuntime(network, threads=count)

    def make_openvino() -> Runtime:
        from promptseg.runtimes.openvino import OpenVinoRuntime

        return OpenVinoRuntime(network, threads=count, precision=precision)

    def make_torch() -> Runtime:
        from promptseg.runtimes.torch import TorchRuntime

        return TorchRuntime(network, threads=count, precision=precision, device=device)

    makers: dict[str, Callable[[], Runtime]] = {
        "onnx": make_onnx,
        "openvino": make_openvino,
        "torch": make_torch,
    }
    return makers[runtime]()


def create_tiny(
    runtime: str, *, threads: int | None = None, weights: str | Path | None = None
) -> TinyRuntime:
    """Makes the engine of seem-tiny: OpenVINO beside OpenVINO, else ONNX Runtime, which is always there.

    Args:
        runtime: name of the engine that SAM runs in.
        threads: computing threads; by default one per processor.
        weights: a file of another training run; by default the embedded one.

    Raises:
        WeightsError: the weights are missing or do not fit.
    """
    network = TinyNetwork.load(weights)
    count = threads or default_threads()
    if runtime == "openvino":
        from promptseg.runtimes.openvino import OpenVinoGraphs

        return TinyRuntime(OpenVinoGraphs(network, threads=count), network)
    from promptseg.runtimes.onnx import OnnxGraphs

    return TinyRuntime(OnnxGraphs(network, threads=count), network)


def _choose(device: str, precision: str) -> str:
    if device != "cpu":
        return "torch"
    installed = available_runtimes()
    if "openvino" in installed:
        return "openvino"
    if precision == "bfloat16" and "torch" in installed:
        return "torch"
    return "onnx"
