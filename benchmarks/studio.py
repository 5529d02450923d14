"""Times the studio in Chromium, with the decoder in the browser, on pictures of 12 megapixels; writes studio.md.

make studio && python benchmarks/studio.py
"""

import argparse
import gzip
import json
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "src/promptseg/server/static"
PICTURES = ("coffee", "astronaut", "rocket")


def large_picture(name: str, folder: Path) -> Path:
    """Enlarges an example to 4000 x 3000: the work is that of any picture of this size."""
    picture = Image.open(ROOT / f"examples/{name}.jpg").convert("RGB")
    side = min(picture.width / 4, picture.height / 3)
    cut = picture.crop((0, 0, int(4 * side), int(3 * side)))
    path = folder / f"{name}.jpg"
    cut.resize((4000, 3000), Image.Resampling.BICUBIC).save(path, quality=92)
    return path


def measure(folder: Path, runtime: str) -> dict[str, object]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    serve = [sys.executable, "-m", "promptseg.cli.app", "serve", "--port", str(port), "--data", str(folder / "data")]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*serve, "--runtime", runtime], stdout=log, stderr=log)
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}healthz", timeout=5).close()  # noqa: S310
                break
            except OSError:
                time.sleep(0.2)
        pictures = [str(large_picture(name, folder)) for name in PICTURES]
        done = subprocess.run(
            ["node", "e2e/measure.mjs", url, *pictures], cwd=ROOT / "web", capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)
    finally:
        server.kill()
        server.wait()


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def sizes() -> list[tuple[str, int, int]]:
    rows = []
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            packed = path.read_bytes()
            content = gzip.decompress(packed) if path.suffix == ".gz" else packed
            rows.append((path.name.removesuffix(".gz"), len(content), len(packed)))
    return rows


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def timing(name: str, values: list[float], target: str) -> str:
    return f"| {name} | {statistics.median(values):.0f} | {percentile(values, 0.95):.0f} | {len(values)} | {target} |"


def frames(name: str, values: list[float]) -> str:
    late = sum(value > 25 for value in values) / len(values)
    rate = 1000 * len(values) / sum(values)
    return f"| {name} | {rate:.0f} | {statistics.median(values):.1f} | {percentile(values, 0.95):.1f} | {late:.1%} |"


def report(found: dict[str, list[float]], runtime: str) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    chromium = subprocess.run(["chromium", "--version"], capture_output=True, text=True).stdout.split()
    lines = [
        "# The studio, measured",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.strip()}, {processor()}, 2 cores shared by server and browser, "
        f"{' '.join(chromium[:2])} headless without a graphics processor, server on {runtime}. "
        "Command: `make studio && python benchmarks/studio.py`.",
        "",
        "Pictures of 4000 x 3000 pixels (JPEG, quality 92). Times in milliseconds, as the page sees them: from the "
        "pointer's event to the frame that shows the mask.",
        "",
        "| what | median | 95 % | runs | target |",
        "|---|---|---|---|---|",
        timing("hover to mask, decoder in the browser", found["hover_ms"], "≤ 100"),
        timing("hover to corrected mask (mask prompt)", found["correction_ms"], ""),
        timing("click to full-resolution mask in the list", found["click_ms"], ""),
        timing("opening a picture to its first mask", found["first_mask_ms"], "≤ 3000"),
        timing("empty browser to the page", [found["page_ms"]], ""),  # type: ignore[list-item]
        timing("empty browser to a running decoder", [found["decoder_ms"]], ""),  # type: ignore[list-item]
        "",
        "| panning 12 megapixels with five masks | frames per second | median ms | 95 % ms | frames over 25 ms |",
        "|---|---|---|---|---|",
        frames("whole picture", found["pan_fit_ms"]),
        frames("zoomed in", found["pan_close_ms"]),
        "",
        "| file | kB | kB as sent |",
        "|---|---|---|",
        *(f"| {name} | {size / 1000:.1f} | {packed / 1000:.1f} |" for name, size, packed in sizes()),
        "",
        "The server adds three networks of about 16 MB: the sketch for hovering at once, the decoder right after it, "
        "the one for corrections after the first answer.",
        "",
        "`pytest web/e2e -k axe` fails on every serious or critical fault that axe-core finds in any state.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/studio.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.runtime)
    options.output.write_text(report(found, options.runtime))  # type: ignore[arg-type]
    print(options.output.read_text())


if __name__ == "__main__":
    main()
