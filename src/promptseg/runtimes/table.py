"""The engines: one row each. A new one is a new file and a row here."""

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeRow:
    """What is known of an engine before it is imported.

    Attributes:
        package: what must be installed.
        adapter: "module:class" of its `Runtime`, made with (network, threads=, precision=, device=).
        graphs: "module:class" of the `Graphs` that run seem-tiny beside it, made with (network, threads=).
        precisions: the arithmetic that it offers; it resolves "auto" itself, where it is asked for by name.
        any_device: whether it computes on other devices than the CPU.
    """

    package: str
    adapter: str
    graphs: str = "promptseg.runtimes.onnx_graphs:OnnxGraphs"
    precisions: tuple[str, ...] = ("float32",)
    any_device: bool = False


RUNTIMES: dict[str, RuntimeRow] = {
    "openvino": RuntimeRow(
        package="openvino",
        adapter="promptseg.runtimes.openvino:OpenVinoRuntime",
        graphs="promptseg.runtimes.openvino:OpenVinoGraphs",
        precisions=("float32", "bfloat16", "float16"),
    ),
    "onnx": RuntimeRow(package="onnxruntime", adapter="promptseg.runtimes.onnx:OnnxRuntime"),
    "torch": RuntimeRow(
        package="torch",
        adapter="promptseg.runtimes.torch:TorchRuntime",
        precisions=("float32", "bfloat16"),
        any_device=True,
    ),
}
"""By name, what is usually the fastest on a CPU first; see `runtimes.fitting`."""


def runtime_names() -> tuple[str, ...]:
    """Returns what may be asked for: "auto", and every engine."""
    return ("auto", *sorted(RUNTIMES))


def spoken_runtimes() -> str:
    """Says what may be asked for."""
    *names, last = runtime_names()
    return f"{', '.join(names)} or {last}"


def available_runtimes() -> tuple[str, ...]:
    """Names the engines whose packages are installed, fastest on a CPU first."""
    return tuple(name for name, row in RUNTIMES.items() if find_spec(row.package) is not None)


def fitting_runtime(precision: str, device: str) -> str:
    """Chooses an engine: one for other devices if need be, else the fastest installed one that has the precision."""
    if device != "cpu":
        return next(name for name, row in RUNTIMES.items() if row.any_device)
    installed = available_runtimes()
    able = [name for name in installed if precision in ("auto", *RUNTIMES[name].precisions)]
    return next(iter((*able, *installed)), "onnx")
