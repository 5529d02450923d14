"""Sends mutants of kept files through whatever reads strangers' files; tells what no error of ours refuses.

    python tools/fuzz.py [--seconds 60 | --count 1000] [--seed 0] [--findings build/fuzz] [TARGET ...]

The kept files are in tests/corpus, a folder for each target, and are tried as they are before their mutants. The same
seed and count make the same mutants. Each target runs in a process of its own, for its share of CPU seconds. A finding
is an error or a warning that is not ours, a wrong value, more than `SLOW` CPU seconds, more memory than the target may
take, or a death; its file is kept in the folder of findings, and the exit code is 1. Needs Linux.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from promptseg.errors import PromptsegError
from promptseg.formats import reading
from promptseg.formats.coco import coco_extent, one_picture
from promptseg.formats.labelme import labelme_extent, segments_from_labelme
from promptseg.formats.yolo import segments_from_yolo, yolo_extent
from promptseg.images import Image, ImageLimits
from promptseg.images.mask_pictures import open_mask
from promptseg.masks.bridge import join_parts
from promptseg.masks.polygons import rings_to_rle, stroke_to_mask, trace_polygons
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.models.tensors import read_given_safetensors, read_shapes
from promptseg.notes import told
from promptseg.server.http_errors import HttpError
from promptseg.server.strict import parse
from promptseg.stopping import stoppable

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "tests" / "corpus"
STOPPED, SLOW = 1.0, 3.0
"""CPU seconds after which work that can be stopped is, and after which an input counts as slow."""

DEADLY = 20
"""CPU seconds after which an input is killed."""

LIMITS = ImageLimits(max_pixels=2**20, max_bytes=2**22)
_PAINTED_AT_MOST = 2**20


class TimeOverError(PromptsegError):
    """Work was stopped, as a server's deadline stops it."""


class WrongValueError(Exception):
    """Something was read, but not as it is written."""


def try_picture(data: bytes) -> None:
    """A picture, and a picture that is a mask."""
    found = Image.open(data, limits=LIMITS).pixels
    if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 3:
        raise WrongValueError(f"pixels of {found.dtype}, {found.shape}")
    open_mask(data, "The mask", limits=LIMITS).inside()


def try_json(data: bytes) -> None:
    """A body of a request."""
    value = parse(data, 64)
    if value != json.loads(data.decode("utf-8-sig")):
        raise WrongValueError("Python reads another value")


def try_rle(data: bytes) -> None:
    """Run lengths, compressed or not."""
    mask = RLE.from_coco(_value(data))
    if RLE.from_coco(mask.to_coco()) != mask or RLE.from_coco(mask.to_uncompressed()) != mask:
        raise WrongValueError("the mask is not the one that was written")


def try_polygons(data: bytes) -> None:
    """Outlines and strokes, painted, traced and painted again."""
    value = reading.fields(_value(data), "The value", "size", "rings", "width", "tolerance")
    height, width = reading.items(value["size"], "The size", 2, 2)
    size = reading.size(height, width, "The picture")
    if height * width > _PAINTED_AT_MOST:
        return
    rings = [reading.points(ring, "A ring", 1) for ring in reading.items(value["rings"], "The rings", 0, 1000)]
    stroke, tolerance = (reading.number(value[name], name, 0) for name in ("width", "tolerance"))
    masks = [rings_to_rle(rings, size), *(RLE.encode(stroke_to_mask(ring, stroke, size)) for ring in rings[:2])]
    for mask in masks:
        traced = trace_polygons(mask)
        if traced and rings_to_rle([ring for part in traced for ring in part.rings], size) != mask:
            raise WrongValueError("the outline is of another mask")
        if traced and rings_to_rle([join_parts(traced)], size) != mask:
            raise WrongValueError("the joined outline is of another mask")
        if traced:
            join_parts(trace_polygons(mask, tolerance))


def try_labelme(data: bytes) -> None:
    """A file of labelme."""
    value = _value(data)
    labelme_extent(value)
    segments_from_labelme(value)


def try_coco(data: bytes) -> None:
    """A file of COCO instances."""
    value = _value(data)
    Segments.all_from_coco(value)
    coco_extent(one_picture(value, None, "picture.jpg"))


def try_yolo(data: bytes) -> None:
    """A file of YOLO, with the size of its picture."""
    value = reading.mapping(_value(data), "The value")
    yolo_extent(value)
    segments_from_yolo(value)


def try_safetensors(data: bytes) -> None:
    """A file of weights."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:  # noqa: S108
        file.write(data)
        file.flush()
        shapes = read_shapes(file.name)
        if {name: tensor.shape for name, tensor in read_given_safetensors(file.name).items()} != shapes:
            raise WrongValueError("the header says other shapes")


def _value(data: bytes) -> Any:
    return reading.parse_json(reading.decode_text(data, "The file"), "The file")


Random = np.random.Generator
Mutate = Callable[[bytearray, Random, list[bytes]], None]


def _flip(data: bytearray, random: Random, others: list[bytes]) -> None:
    for _ in range(int(random.integers(1, 30))):
        data[random.integers(len(data))] ^= 1 << int(random.integers(8))


def _head(data: bytearray, random: Random, others: list[bytes]) -> None:
    for _ in range(int(random.integers(1, 6))):
        data[random.integers(min(64, len(data)))] = int(random.integers(256))


def _cut(data: bytearray, random: Random, others: list[bytes]) -> None:
    del data[int(random.integers(len(data))) :]


def _remove(data: bytearray, random: Random, others: list[bytes]) -> None:
    start = int(random.integers(len(data)))
    del data[start : start + int(random.integers(1, 200))]


def _repeat(data: bytearray, random: Random, others: list[bytes]) -> None:
    start = int(random.integers(len(data)))
    piece = data[start : start + int(random.integers(1, 200))]
    data[start:start] = piece * int(random.integers(1, 50))


def _extreme(data: bytearray, random: Random, others: list[bytes]) -> None:
    size = int(random.choice([1, 2, 4, 8]))
    half = 2 ** (8 * size - 1)
    value = (0, 1, half - 1, half, 2 * half - 1)[int(random.integers(5))]
    order = "little" if random.random() < 0.5 else "big"
    place = int(random.integers(min(len(data), 400)))
    data[place : place + size] = value.to_bytes(size, order)


def _splice(data: bytearray, random: Random, others: list[bytes]) -> None:
    other = others[int(random.integers(len(others)))]
    data[int(random.integers(len(data))) :] = other[int(random.integers(len(other))) :]


OF_BYTES: list[Mutate] = [_flip, _head, _cut, _remove, _repeat, _extreme, _splice]
"""How any file is changed."""

_STRANGE: list[Any] = [
    *(None, True, 0, 1, -1, 2, 255, 65_535, 999_999, 10**6, 2**31 - 1, 2**31, 2**63, -(2**63), 10**400),
    *(0.5, -0.0, 1e-320, 1e9, 1e308, -1e308, float("nan"), float("inf")),
    *("", "0", "\0", "\ud800", "../x", "picture.jpg", "P" * 3000, "1" * 300),
    *([], {}, [[]], [0] * 1000, [[1, 2]] * 500, [[1e9, -1e9], [-1e9, 1e9]] * 30, {"size": [1, 1], "counts": "0"}),
]


def _scaled(old: float, random: Random) -> float:
    power = int(random.integers(-3, 8))
    return old + 1 if power == 7 else old // 10**-power if power < 0 else old * 10**power


def _of_value(data: bytearray, random: Random, others: list[bytes]) -> None:
    """Changes a JSON text as a value: one place of it becomes something strange, or vanishes, or is repeated."""
    try:
        value = [json.loads(data)]
    except (ValueError, RecursionError):
        return _flip(data, random, others)
    places: list[tuple[Any, Any]] = []
    open_: list[Any] = [value]
    while open_:
        holder = open_.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            places.append((holder, key))
            if isinstance(holder[key], dict | list):
                open_.append(holder[key])
    for _ in range(int(random.integers(1, 4))):
        holder, key = places[int(random.integers(len(places)))]
        if (isinstance(holder, list) and not key < len(holder)) or (isinstance(holder, dict) and key not in holder):
            continue
        old, kind = holder[key], int(random.integers(6))
        if kind == 0 and holder is not value:
            del holder[key]
        elif kind == 1 and isinstance(holder, list) and holder is not value:
            holder[key:key] = [old] * int(random.integers(1, 50))
        elif kind == 2 and isinstance(old, int | float) and not isinstance(old, bool):
            holder[key] = _scaled(old, random)
        elif kind == 3 and isinstance(old, str):
            text = bytearray(old.encode("utf-8", "replace")) or bytearray(b"0")
            OF_BYTES[int(random.integers(len(OF_BYTES)))](text, random, others)
            holder[key] = text.decode("latin-1")
        elif kind == 4 and isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        else:
            holder[key] = _STRANGE[int(random.integers(len(_STRANGE)))]
    data[:] = json.dumps(value[0]).encode()
    return None


def _of_header(data: bytearray, random: Random, others: list[bytes]) -> None:
    """Changes the header of a safetensors file, whose length stays true."""
    length = int.from_bytes(data[:8], "little")
    header, rest = bytearray(data[8 : 8 + length]) or bytearray(b"{}"), data[8 + length :]
    _of_value(header, random, others)
    data[:] = len(header).to_bytes(8, "little") + header + rest


class Target(NamedTuple):
    """What is fuzzed.

    Attributes:
        work: takes a file; raises errors of ours or none.
        ways: how files are changed.
        megabytes: how much memory one may take.
    """

    work: Callable[[bytes], None]
    ways: list[Mutate]
    megabytes: int


_OF_VALUES = [*OF_BYTES, *[_of_value] * 3 * len(OF_BYTES)]
_OF_HEADERS = [*OF_BYTES, *[_of_header] * 3 * len(OF_BYTES)]

TARGETS = {
    "picture": Target(try_picture, OF_BYTES, 128),
    "json": Target(try_json, [*OF_BYTES, _of_value], 64),
    "rle": Target(try_rle, _OF_VALUES, 512),
    "polygons": Target(try_polygons, _OF_VALUES, 256),
    "labelme": Target(try_labelme, _OF_VALUES, 512),
    "coco": Target(try_coco, _OF_VALUES, 512),
    "yolo": Target(try_yolo, _OF_VALUES, 512),
    "safetensors": Target(try_safetensors, _OF_HEADERS, 64),
}


def kept(target: str) -> list[bytes]:
    """Returns the files of a target that are kept."""
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def mutant(sound: list[bytes], ways: list[Mutate], seed: int, number: int) -> bytes:
    """Returns the mutant of a number; those before 0 are the files as they are."""
    if number < 0:
        return sound[number]
    random = np.random.default_rng([seed, number])
    data = bytearray(sound[number % len(sound)])
    for _ in range(int(random.integers(1, 4))):
        if data:
            ways[int(random.integers(len(ways)))](data, random, sound)
    return bytes(data)


def fault(target: Target, data: bytes) -> str | None:
    """Returns what is wrong with what becomes of a file, or None."""
    begin, before = time.process_time(), _peak()

    def check() -> None:
        if time.process_time() - begin > STOPPED:
            raise TimeOverError

    try:
        with told(lambda _: None), stoppable(check):
            target.work(data)
    except (PromptsegError, HttpError) as error:
        if isinstance(error.__cause__, MemoryError):
            return f"memory: {error}"
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "promptseg" in frame.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        return f"{type(error).__name__} at {place}: {str(error)[:200]}"
    seconds, megabytes = time.process_time() - begin, _peak() - before
    if seconds > SLOW:
        return f"slow: {seconds:.1f} s"
    return f"memory: {megabytes:.0f} MB" if megabytes > target.megabytes else None


def _peak() -> float:
    """Returns the most memory that this process has had, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def attack(name: str, given: argparse.Namespace) -> None:
    """Runs one target in this process; prints a line for each finding, and how many files there were."""
    target, sound = TARGETS[name], kept(name)
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**31, size + 2**31))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    hand = given.findings / f"{name}.hand"
    number = -len(sound) if given.start is None else given.start
    end = time.process_time() + given.seconds
    while number < given.count and (number < 0 or time.process_time() < end):
        data = mutant(sound, target.ways, given.seed, number)
        hand.write_bytes(data)
        print(number, flush=True)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + DEADLY, resource.RLIM_INFINITY))
        if what := fault(target, data):
            print(json.dumps([number, what]), flush=True)
        number += 1
    hand.unlink(missing_ok=True)


def run(name: str, given: argparse.Namespace) -> tuple[int, dict[str, list[int]]]:
    """Runs one target in processes of its own; returns how many files were tried, and the findings by kind."""
    found: dict[str, list[int]] = {}
    start, tried, seconds = None, 0, given.seconds
    while seconds > 0:
        options = {"seconds": seconds, "count": given.count, "seed": given.seed, "findings": given.findings}
        command = [sys.executable, __file__, name, "--here"]
        for option, value in [*options.items(), *([] if start is None else [("start", start)])]:
            command.append(f"--{option}={value}")
        before = _children()
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        seconds -= _children() - before
        lines = [json.loads(line) for line in ended.stdout.splitlines()]
        numbers = [line for line in lines if isinstance(line, int)]
        tried += len(numbers)
        findings = [line for line in lines if isinstance(line, list)]
        if ended.returncode:
            if not numbers:
                raise SystemExit(f"{name} did not begin: {ended.stderr}")
            why = signal.Signals(-ended.returncode).name if ended.returncode < 0 else ended.returncode
            findings.append([numbers[-1], f"death: {why} {ended.stderr.strip().splitlines()[-1:]}"])
        sound = kept(name)
        for number, what in findings:
            kind = what.partition(":")[0]
            if len(found.setdefault(kind, [])) < 3:
                file = given.findings / f"{name}.{given.seed}.{number}"
                file.write_bytes(mutant(sound, TARGETS[name].ways, given.seed, number))
                print(f"{name}: {what}  {file}")
            found[kind].append(number)
        if not ended.returncode:
            break
        start = numbers[-1] + 1
    return tried, found


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Runs the targets one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of CPU time, for all targets together")
    parser.add_argument("--count", type=int, default=sys.maxsize, help="mutants of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--findings", type=Path, default=ROOT / "build" / "fuzz")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = given.targets or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"there is no target {unknown[0]!r}: expected some of {', '.join(TARGETS)}")
    given.findings.mkdir(parents=True, exist_ok=True)
    if given.here:
        attack(names[0], given)
        return 0
    given.seconds /= len(names)
    bad = 0
    for name in names:
        tried, found = run(name, given)
        bad += len(found)
        print(f"{name}: {tried:,} files, {sum(map(len, found.values()))} findings of {len(found)} kinds", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
