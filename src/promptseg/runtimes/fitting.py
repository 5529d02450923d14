"""Which engine and arithmetic fits this processor: a measured table says it, a short probe confirms it once.

Reduced precision is quick only where a processor has units for it: AMX for bfloat16, AVX512-FP16 for float16. With
AVX512-BF16 alone bfloat16 was slower than float32 on a Xeon and faster on a Zen 4 (benchmarks/core.md): there the table
says float32, and the probe may find bfloat16.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from promptseg.errors import PromptsegError
from promptseg.files import write_bytes
from promptseg.models.network import Network
from promptseg.models.registry import embedded_record
from promptseg.models.store import cache_folder
from promptseg.runtimes.protocol import DecoderInputs, Runtime
from promptseg.runtimes.table import RUNTIMES, available_runtimes

FAST_PRECISIONS: tuple[tuple[str, str], ...] = (("amx_bf16", "bfloat16"), ("avx512_fp16", "float16"))
"""What a processor computes fast in, by its feature; the first that it has counts, and float32 where it has none."""

DOUBTFUL = ("avx512_bf16", "bfloat16")
"""A feature that makes an arithmetic quick on some processors only: the probe tries it."""

WORTH, COARSER = 0.95, 0.8
"""The probe overrules the table where another candidate takes less than this share of its time; one that computes in
fewer digits than the table's must gain more."""

ENCODES, CLICKS = 2, 5
"""How often the probe embeds and clicks after a first time that does not count."""

SWITCH = "PROMPTSEG_PROBE"
"""An environment variable: 0 leaves it at the table."""

Maker = Callable[["Candidate"], Runtime]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine of `RUNTIMES`, and the arithmetic of one of its `precisions`."""

    runtime: str
    precision: str


@dataclass(frozen=True, slots=True)
class Timed:
    """What the probe measured, in seconds: an embedding, and a click on it."""

    candidate: Candidate
    embed: float
    click: float


def processor_features() -> frozenset[str]:
    """Names what this processor can do, in Linux's words; nothing is known elsewhere, and float32 is always right."""
    return frozenset(_told("flags").split())


def fast_precision(features: Iterable[str], offered: Sequence[str]) -> str:
    """Returns the arithmetic of `offered` that a processor with these features computes fastest in."""
    known = frozenset(features)
    fitting = (precision for feature, precision in FAST_PRECISIONS if feature in known and precision in offered)
    return next(fitting, "float32")


def candidates(features: Iterable[str], installed: Sequence[str] | None = None) -> list[Candidate]:
    """Returns what may be the fastest on this processor, what the table holds for it first.

    Engines that compute on any device are for other devices, and stand here only when there is no other.
    """
    names = available_runtimes() if installed is None else installed
    names = [name for name in names if not RUNTIMES[name].any_device] or list(names)
    known = frozenset(features)
    found = [Candidate(name, fast_precision(known, RUNTIMES[name].precisions)) for name in names]
    found += [Candidate(name, "float32") for name in names]
    feature, doubtful = DOUBTFUL
    if feature in known:
        found += [Candidate(name, doubtful) for name in names if doubtful in RUNTIMES[name].precisions]
    return list(dict.fromkeys(found))


def fitting_candidate(network: Network, threads: int, make: Maker) -> Candidate | None:
    """Chooses engine and arithmetic for a network: as the probe found in an earlier process, or finds now.

    The answer is kept in the cache folder, with the versions of engines, weights and processor. Where it cannot be
    kept, or `PROMPTSEG_PROBE` is 0, the table decides alone. None where no engine is installed.

    Args:
        network: what is to be computed.
        threads: how many threads compute.
        make: makes the engine of a candidate.
    """
    features = processor_features()
    able = candidates(features)
    if len(able) < 2 or os.environ.get(SWITCH) == "0":
        return next(iter(able), None)
    key = _key(network, threads, able, features)
    known = _remembered().get(key)
    if known in able:
        return known
    if not _can_keep():
        return able[0]
    chosen = fastest(probe(network, able, make)) or able[0]
    remember(key, chosen)
    return chosen


def probe(network: Network, able: Sequence[Candidate], make: Maker) -> list[Timed]:
    """Measures candidates on a made-up picture; those that cannot compute here are left out."""
    picture = np.random.default_rng(0).normal(size=(1, 3, network.side, network.side)).astype(np.float32)
    click = DecoderInputs.clicks(np.full((1, 2), network.side / 2))
    timed: list[Timed] = []
    for candidate in able:
        with suppress(PromptsegError):
            runtime = make(candidate)
            features = runtime.encode(picture)
            runtime.decode(features, click)
            embed = min(_seconds(lambda runtime=runtime: runtime.encode(picture)) for _ in range(ENCODES))
            clicks = (_seconds(lambda runtime=runtime, at=features: runtime.decode(at, click)) for _ in range(CLICKS))
            timed.append(Timed(candidate, embed, min(clicks)))
    return timed


def fastest(timed: Sequence[Timed]) -> Candidate | None:
    """Returns the first candidate, the table's, unless another embeds clearly faster."""
    if not timed:
        return None
    exact = timed[0].candidate.precision

    def weighed(one: Timed) -> float:
        precision = one.candidate.precision
        worth = 1.0 if one is timed[0] else WORTH if precision in (exact, "float32") else COARSER
        return one.embed / worth

    return min(timed, key=weighed).candidate


def remember(key: str, chosen: Candidate) -> None:
    """Keeps an answer of the probe; a folder that cannot be written to keeps none."""
    answers = {**_remembered(), key: chosen}
    record = {name: [one.runtime, one.precision] for name, one in answers.items()}
    with suppress(PromptsegError):
        write_bytes(_place(), (json.dumps(record, indent=1) + "\n").encode())


def benchmark(network: Network, threads: int, make: Maker) -> tuple[list[Timed], Candidate | None]:
    """Measures all candidates anew and keeps the answer; returns the times, and what "auto" takes from now on."""
    features = processor_features()
    able = candidates(features)
    timed = probe(network, able, make)
    chosen = fastest(timed)
    if chosen is not None:
        remember(_key(network, threads, able, features), chosen)
    return timed, chosen


def _key(network: Network, threads: int, able: Sequence[Candidate], features: frozenset[str]) -> str:
    packages = sorted({RUNTIMES[candidate.runtime].package for candidate in able})
    engines = [f"{package} {_version(package)}" for package in packages]
    fast = [feature for feature, _ in FAST_PRECISIONS if feature in features]
    machine = [f"{threads} threads", _told("model name") or sys.platform, *fast]
    return ", ".join([f"promptseg {_version('promptseg')}", *engines, _weights(network), *machine])


def _weights(network: Network) -> str:
    if network.card.embedded_files and network.source.parent.name == "weights":
        return f"{network.card.network} {embedded_record(network.source.stem)['sha256'][:12]}"
    return f"{network.source.name} {network.source.stat().st_size}"


def _told(what: str) -> str:
    """Returns what Linux tells of the processor; nothing elsewhere."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(what):
                return line.partition(":")[2].strip()
    return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"


def _place() -> Path:
    return cache_folder() / "engines.json"


def _can_keep() -> bool:
    """Tells whether an answer of the probe would be there the next time."""
    try:
        folder = _place().parent
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, PromptsegError):
        return False
    return os.access(folder, os.W_OK)


def _remembered() -> dict[str, Candidate]:
    """Reads the answers of earlier processes; a damaged file holds none."""
    try:
        record = json.loads(_place().read_text(encoding="utf-8"))
        return {str(key): Candidate(str(engine), str(precision)) for key, (engine, precision) in record.items()}
    except (OSError, ValueError, TypeError, AttributeError, PromptsegError):
        return {}


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
