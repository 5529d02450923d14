"""Sends damaged pictures to a server: no 5xx other than 503, no hang, no growth of memory.

    python benchmarks/upload_fuzz.py --count 10000

Each mutant is a small picture of one of seven kinds with flipped bits, a cut, a repeated or removed piece, a number
overwritten by an extreme one, or two files spliced together (tools/fuzz.py). The same seed gives the same mutants.
"""

import argparse
import io
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
from PIL import Image as Pillow

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from fuzz import OF_BYTES, mutant

EXAMPLES = Path(__file__).parents[1] / "examples"
SLOW_SECONDS = 5.0


def originals() -> list[bytes]:
    """Small sound files of every kind that the server reads, with metadata, alpha, palettes and 16 bits."""
    picture = Pillow.open(EXAMPLES / "astronaut.jpg").resize((96, 64))
    grey = Pillow.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    kinds = [
        (picture, "JPEG", {"quality": 80, "exif": exif}),
        (picture, "JPEG", {"quality": 60, "progressive": True}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture, "PNG", {}),
        (picture.convert("RGBA"), "PNG", {}),
        (picture.convert("P"), "PNG", {}),
        (grey, "PNG", {}),
        (picture, "WEBP", {"lossless": True}),
        (picture, "WEBP", {"quality": 50}),
        (picture, "TIFF", {"compression": "tiff_lzw"}),
        (picture, "TIFF", {}),
        (picture, "BMP", {}),
        (picture.convert("P"), "GIF", {"save_all": True, "append_images": [picture.convert("P")]}),
    ]
    return [_saved(*kind) for kind in kinds]


def _saved(picture: Pillow.Image, form: str, options: dict[str, object]) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def mutants(count: int, seed: int = 0) -> Iterator[bytes]:
    """Yields damaged files."""
    sound = originals()
    for number in range(count):
        yield mutant(sound, OF_BYTES, seed, number)


def resident(http: httpx.Client) -> float:
    """Memory of the server in MB."""
    found = re.search(r"^process_resident_memory_bytes (\S+)", http.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1]) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "promptseg.cli.app", "serve", "--port", "0", "--data", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            found = re.search(r"http://[\d.:]+", process.stdout.readline())
            assert found
            return attack(found[0], given.count, given.seed)
        finally:
            process.terminate()
            process.wait()


def attack(url: str, count: int, seed: int) -> int:
    """Sends the mutants and tells what came back; 1 when something is wrong."""
    statuses: Counter[str] = Counter()
    slowest, memory = 0.0, []
    headers = {"Content-Type": "application/octet-stream"}
    with httpx.Client(base_url=url, timeout=60) as http:
        for number, content in enumerate(mutants(count, seed)):
            begin = time.perf_counter()
            answer = http.post("/v1/images", content=content, headers=headers)
            slowest = max(slowest, time.perf_counter() - begin)
            kind = "" if answer.is_success else answer.json()["error"]["type"]
            statuses[f"{answer.status_code} {kind}".strip()] += 1
            if answer.is_success:  # so that the store does not grow
                http.delete(f"/v1/images/{answer.json()['id']}")
            if number % max(1, count // 10) == 0:
                memory.append(resident(http))
                print(f"{number:6d} sent, {memory[-1]:.0f} MB", flush=True)
        memory.append(resident(http))
    for status, times in statuses.most_common():
        print(f"{times:6d}  {status}")
    growth = memory[-1] - memory[1]
    print(f"slowest answer {slowest:.2f} s; memory {memory[1]:.0f} MB after a tenth, {memory[-1]:.0f} MB at the end")
    failed = [status for status in statuses if status.startswith("5")]
    return 1 if failed or slowest > SLOW_SECONDS or growth > 100 else 0


if __name__ == "__main__":
    sys.exit(main())
