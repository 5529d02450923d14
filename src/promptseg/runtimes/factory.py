"""Makes the engine for a network."""

import os
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from promptseg.errors import InputError
from promptseg.models.detector.weights import DetectorNetwork
from promptseg.models.network import Network
from promptseg.models.seem_tiny.weights import TinyNetwork
from promptseg.runtimes.detector import DetectorRuntime
from promptseg.runtimes.fitting import Candidate, fitting_candidate
from promptseg.runtimes.protocol import Runtime
from promptseg.runtimes.seem_tiny import TinyRuntime
from promptseg.runtimes.table import RUNTIMES, fitting_runtime, runtime_names


def default_threads() -> int:
    """Counts the processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def create_runtime(
    network: Network, runtime: str = "auto", *, precision: str = "auto", device: str = "cpu", threads: int | None = None
) -> Runtime:
    """Makes an engine for `network`.

    Args:
        network: the loaded model.
        runtime: a name of `RUNTIMES`, or "auto": torch on a device other than the CPU, else what was measured to be
            fastest of what is installed (see `runtimes.fitting`).
        precision: "float32", "bfloat16", "float16", or "auto": less than float32 only where the
            processor is fast in it.
        device: "cpu", and for torch "cuda", "cuda:1", "mps".
        threads: how many threads compute; by default as many as this process may use processors.

    Raises:
        InputError: an unknown name, or a combination that the engine does not offer.
        UnavailableError: the engine is not installed.
    """
    if runtime not in runtime_names():
        raise InputError(f"Unknown runtime {runtime!r}: expected one of {', '.join(runtime_names())}.")
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, got {threads}.")
    count = threads or default_threads()
    if runtime == "auto" and precision == "auto" and device == "cpu":
        chosen = fitting_candidate(network, count, partial(create_candidate, network, count))
        runtime, precision = ("onnx", "auto") if chosen is None else (chosen.runtime, chosen.precision)
    elif runtime == "auto":
        runtime = fitting_runtime(precision, device)
    row = RUNTIMES[runtime]
    if device != "cpu" and not row.any_device:
        able = " or ".join(repr(name) for name, other in RUNTIMES.items() if other.any_device)
        raise InputError(f"The {runtime} runtime computes on the CPU only, got device={device!r}. Use runtime={able}.")
    if precision not in ("auto", *row.precisions):
        place = "" if row.any_device else " on the CPU"
        known = " or ".join(row.precisions)
        raise InputError(f"The {runtime} runtime computes in {known}{place}, got precision={precision!r}.")
    return _named(row.adapter)(network, threads=count, precision=precision, device=device)


def create_candidate(network: Network, threads: int, candidate: Candidate) -> Runtime:
    """Makes the engine of a candidate; see `create_runtime`."""
    return create_runtime(network, candidate.runtime, precision=candidate.precision, threads=threads)


def create_tiny(runtime: str, *, threads: int | None = None, weights: str | Path | None = None) -> TinyRuntime:
    """Makes the engine of seem-tiny: OpenVINO beside OpenVINO, else ONNX Runtime, which is always there.

    Args:
        runtime: name of the engine that SAM runs in.
        threads: computing threads; by default one per processor.
        weights: a file of another training run; by default the embedded one.

    Raises:
        WeightsError: the weights are missing or do not fit.
    """
    network = TinyNetwork.load(weights)
    engine = _named(RUNTIMES[runtime].graphs)(network, threads=threads or default_threads())
    return TinyRuntime(engine, network)


def create_detector(runtime: str, *, threads: int | None = None, weights: str | Path | None = None) -> DetectorRuntime:
    """Makes the engine of the detector; see `create_tiny`."""
    network = DetectorNetwork.load(weights)
    return DetectorRuntime(_named(RUNTIMES[runtime].graphs)(network, threads=threads or default_threads()))


def _named(place: str) -> Any:
    """Imports what "module:name" names: no engine is loaded before it is used."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
