"""Load on a server: 32 clients that click on pictures and now and then bring a new one.

    python benchmarks/server_load.py --seconds 120
    python benchmarks/server_load.py --seconds 120 --peer-python ENV/bin/python

Each client clicks at random places of eight photographs that are known; every twentieth time it uploads one that
nobody has seen and clicks on that. It sends the next request when the last is answered. The clients run in this
process, beside the server.
"""

import argparse
import asyncio
import io
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import peer
from PIL import Image as Pillow

EXAMPLES = Path(__file__).parents[1] / "examples"
NEW_SHARE = 1 / 20


@dataclass
class Log:
    """What the clients saw."""

    clicks: list[float] = field(default_factory=list)
    uploads: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


def picture(number: int) -> bytes:
    """A photograph of 640 x 480 that differs from all others by its crop."""
    names = sorted(EXAMPLES.glob("*.jpg"))
    photo = Pillow.open(names[number % len(names)])
    shift = number // len(names) % 60
    crop = photo.crop((shift, shift // 2, photo.width - 60 + shift, photo.height - 60 + shift // 2))
    file = io.BytesIO()
    crop.resize((640, 480)).save(file, "JPEG", quality=85 + number // 240 % 10)
    return file.getvalue()


async def client(http: httpx.AsyncClient, known: list[str], log: Log, until: float, seed: int) -> None:
    """One client."""
    chance = random.Random(seed)  # noqa: S311
    number = 0
    while time.perf_counter() < until:
        image, times = chance.choice(known), log.clicks
        if chance.random() < NEW_SHARE:
            number += 1
            content = await asyncio.to_thread(picture, 1000 + seed * 97 + number * 7)
            answer = await send(http, "/v1/images", log, log.uploads, content=content)
            if answer is None:
                continue
            image, times = answer["id"], log.firsts
        point = {"type": "point", "x": chance.uniform(1, 639), "y": chance.uniform(1, 479)}
        await send(http, f"/v1/images/{image}/segment", log, times, json={"prompts": [point]})


async def send(http: httpx.AsyncClient, path: str, log: Log, times: list[float], **body: Any) -> Any:
    """Sends one request, and waits as a busy server asks."""
    headers = {"Content-Type": "application/octet-stream"} if "content" in body else {}
    begin = time.perf_counter()
    answer = await http.post(path, headers=headers, **body)
    log.statuses[answer.status_code] += 1
    if answer.is_success:
        times.append(time.perf_counter() - begin)
        return answer.json()
    await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
    return None


async def load(url: str, clients: int, seconds: float) -> Log:
    """Runs all clients."""
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as http:
        log = Log()
        known: list[str] = []
        for number in range(8):
            answer = await send(http, "/v1/images", Log(), [], content=picture(number))
            known.append(answer["id"])
            point = {"type": "point", "x": 9, "y": 9}
            await send(http, f"/v1/images/{known[-1]}/segment", Log(), [], json={"prompts": [point]})
        until = time.perf_counter() + seconds
        await asyncio.gather(*(client(http, known, log, until, seed) for seed in range(clients)))
        return log


def report(name: str, log: Log, seconds: float) -> None:
    """Prints the numbers of one server."""
    total = len(log.clicks) + len(log.uploads) + len(log.firsts)
    errors = sum(times for status, times in log.statuses.items() if status >= 400 and status != 503)
    busy = log.statuses[503]

    def row(kind: str, times: list[float]) -> str:
        if not times:
            return f"  {kind}: none"
        p50, p99 = np.percentile(times, [50, 99])
        return f"  {kind}: {len(times)} ({len(times) / seconds:.1f}/s), p50 {p50:.2f} s, p99 {p99:.2f} s"

    print(f"{name}: {total / seconds:.1f} answers/s, {errors} errors, {busy} times busy (503)")
    print(row("clicks on known pictures", log.clicks))
    print(row("uploads", log.uploads))
    print(row("first clicks on new pictures", log.firsts), flush=True)


def free_port() -> int:
    """Returns a port that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def await_server(url: str, process: "subprocess.Popen[Any]") -> None:
    """Waits until a server answers."""
    while True:
        try:
            httpx.get(url, timeout=5)
            return
        except httpx.TransportError:
            if process.poll() is not None:
                raise SystemExit("The server has ended.") from None
            time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--only", choices=["promptseg", "peer"], help="measure one of them")
    parser.add_argument("--peer-python", help="Python with mobilesam-mirror, fastapi and uvicorn")
    parser.add_argument("--serve", nargs="*", default=[], help="options of `promptseg serve`, without their dashes")
    given = parser.parse_args()
    options = [f"--{text}" for text in given.serve]
    if given.only != "peer":
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "promptseg.cli.app", "serve", "--data", folder, *options]
            measure("promptseg", command, given.clients, given.seconds, "--port")
    if given.peer_python and given.only != "promptseg":
        command = peer.command(given.peer_python, "serve")
        measure("peer", command, given.clients, given.seconds, None)


def measure(name: str, command: list[str], clients: int, seconds: float, port_option: str | None) -> None:
    """Starts a server, loads it and stops it."""
    port = free_port()
    full = [*command, *([port_option] if port_option else []), str(port)]
    process = subprocess.Popen(full, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_server(f"http://127.0.0.1:{port}/healthz", process)
        before = cpu_seconds(process.pid)
        log = asyncio.run(load(f"http://127.0.0.1:{port}", clients, seconds))
        server, ours, machine = (now - then for now, then in zip(cpu_seconds(process.pid), before, strict=True))
        report(name, log, seconds)
        others = max(0.0, machine - server - ours)
        print(f"  processor seconds: server {server:.0f}, clients {ours:.0f}, other processes {others:.0f}", flush=True)
        if port_option:
            text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            memory = re.search(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)
            print(f"  memory {float(memory[1]) / 1e6:.0f} MB" if memory else "")
    finally:
        process.terminate()
        process.wait()


def cpu_seconds(pid: int) -> tuple[float, float, float]:
    """Returns the processor time so far of a process, of this one, and of the whole machine (Linux)."""
    ticks = os.sysconf("SC_CLK_TCK")

    def of(name: str) -> float:
        words = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / ticks

    total = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return of(str(pid)), of("self"), (sum(total[:3]) + total[5] + total[6]) / ticks


if __name__ == "__main__":
    main()
