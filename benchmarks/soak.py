"""A long mixed load on a server, whose memory must be flat after the first tenth.

    python benchmarks/soak.py --minutes 30 --requests 20000

It ends after so many minutes or requests, whichever is sooner. Clients on loopback ask for everything that the server
offers: masks by every prompt, sessions, objects, label files, searches, embeddings. A part of what they send is
damaged, and some leave before the answer. They delete what they uploaded, so the work is the same from beginning to
end. Written are FILE.json and FILE.svg, a plot of the server's memory.
"""

import argparse
import contextlib
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from server_load import picture
from upload_fuzz import mutants, resident

KNOWN = 12
"""Pictures that stay."""
FLAT_MB, FLAT_SHARE = 30.0, 0.05
"""Memory is flat if it grows by no more than the larger of these."""
SAMPLE_SECONDS = 1.0
BYTES, JSON = {"Content-Type": "application/octet-stream"}, {"Content-Type": "application/json"}
SIZE = (480, 640)


@dataclass
class Record:
    """What happened, and whether it goes on."""

    most: int
    until: float
    begin: float
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    samples: list[tuple[float, int, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    count: int = 0

    @property
    def over(self) -> bool:
        return self.count >= self.most or time.monotonic() >= self.until

    def note(self, kind: str, status: str) -> None:
        with self.lock:
            self.count += 1
            self.kinds[kind] += 1
            self.statuses[status] += 1


class Client:
    """One client; each of its methods whose name begins with `do_` is a kind of request or dialogue."""

    def __init__(self, url: str, known: list[str], record: Record, seed: int) -> None:
        self.http = httpx.Client(base_url=url, timeout=300)
        self.known, self.record = known, record
        self.chance = random.Random(seed)  # noqa: S311
        self.damaged = mutants(10**9, seed)
        self.seed, self.number, self.kind = seed, 0, ""

    def run(self) -> None:
        """Asks until it is over."""
        kinds: dict[str, Callable[[], object]] = {name: getattr(self, name) for name in WEIGHTS}
        with self.http:
            while not self.record.over:
                (self.kind,) = self.chance.choices([*kinds], [*WEIGHTS.values()])
                try:
                    kinds[self.kind]()
                except httpx.HTTPError as error:
                    self.record.faults.append(f"{self.kind}: {error!r}")

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """Sends one request, and waits as a busy server asks."""
        answer = self.http.request(method, path, **body)
        self.record.note(self.kind, str(answer.status_code))
        if answer.status_code >= 500 and answer.status_code != 503:
            self.record.faults.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        if answer.status_code == 503:
            time.sleep(float(answer.headers.get("Retry-After", 1)))
        given = answer.headers.get("content-type", "") == "application/json"
        return answer.json() if given and answer.is_success else None

    def image(self) -> str:
        return f"/v1/images/{self.chance.choice(self.known)}"

    def place(self) -> tuple[float, float]:
        return self.chance.uniform(60, 580), self.chance.uniform(60, 420)

    def prompt(self) -> dict[str, Any]:
        (x, y), kind = self.place(), self.chance.randrange(5)
        corners = [[x - 50, y - 50], [x + 50, y - 40], [x, y + 50]]
        return [
            {"type": "point", "x": x, "y": y},
            {"type": "box", "box": [x - 50, y - 50, x + 50, y + 50]},
            {"type": "polygon", "points": corners},
            {"type": "circle", "x": x, "y": y, "radius": 30},
            {"type": "scribble", "points": corners, "width": 6},
        ][kind]

    def do_segment(self) -> None:
        self.ask("POST", f"{self.image()}/segment", json={"prompts": [self.prompt()]})

    def do_upload(self) -> None:
        self.number += 1
        content = picture(1000 + self.seed * 97 + self.number * 7)
        made = self.ask("POST", "/v1/images", content=content, headers=BYTES, params={"embed": "false"})
        if made is not None and made["id"] not in self.known:
            self.ask("GET", f"/v1/images/{made['id']}/thumbnail")
            if self.number % 4 == 0:
                self.ask("POST", f"/v1/images/{made['id']}/segment", json={"prompts": [self.prompt()]})
            self.ask("DELETE", f"/v1/images/{made['id']}")

    def do_damaged(self) -> None:
        made = self.ask("POST", "/v1/images", content=next(self.damaged), headers=BYTES, params={"embed": "false"})
        if made is not None:
            self.ask("DELETE", f"/v1/images/{made['id']}")

    def do_session(self) -> None:
        made = self.ask("POST", "/v1/sessions", json={"image": self.chance.choice(self.known)})
        if made is None:
            return
        path = f"/v1/sessions/{made['id']}"
        for _ in range(self.chance.randrange(1, 4)):
            self.ask("POST", f"{path}/prompts", json={"prompts": [self.prompt()]})
        self.ask("POST", f"{path}/undo")
        self.ask("GET", path)
        self.ask("DELETE", path)

    def do_objects(self) -> None:
        image = self.image()
        rows = self.chance.randrange(1, SIZE[0])
        mask = {"size": list(SIZE), "counts": [rows, SIZE[0] * SIZE[1] - rows]}
        items = [{"id": str(number), "segmentation": mask, "label": f"kind {number % 5}"} for number in range(9)]
        self.ask("PUT", f"{image}/objects", json={"objects": items})
        self.ask("GET", f"{image}/objects")
        form = self.chance.choice(["coco", "labelme", "svg", "overlay", "png", "yolo", "index", "cutout", "records"])
        self.ask("POST", f"{image}/export", params={"format": form})

    def do_import(self) -> None:
        body = {"text": "0 0.1 0.1 0.5 0.1 0.5 0.5\n" * self.chance.randrange(1, 50), "names": ["cat"]}
        self.ask("POST", f"{self.image()}/import", params={"format": "yolo"}, json=body)

    def do_read(self) -> None:
        image = self.image()
        graph = "/v1/models/mobile-sam-clicks/view.onnx"
        paths = ["/v1/images", "/metrics", "/healthz", "/v1/limits", "/v1/models", "/openapi.json", "/", graph]
        own = [f"{image}/embedding", f"{image}/file", f"{image}/thumbnail", f"{image}/objects", image]
        self.ask("GET", self.chance.choice(paths + own))

    def do_search(self) -> None:
        way = self.chance.choice(["everything", "edges", "proposals"])
        options: dict[str, Any] = {"points_per_side": self.chance.choice([2, 4, 8])}
        body = {"options": options} if way == "everything" else options
        self.ask("POST", f"{self.image()}/{way}", json=body)

    def do_words(self) -> None:
        phrase = self.chance.choice(["the person", "a cup", "the left one", "sky"])
        self.ask("POST", f"{self.image()}/segment", json={"prompts": [{"type": "text", "phrase": phrase}]})

    def do_hostile(self) -> None:
        bodies = [
            b'"' + b'\\"' * 20_000,
            b"[" * 50_000,
            b'{"prompts": [' + b",".join([b"0"] * 1000) + b"]}",
            b'{"prompts": [' + b",".join([b"0"] * 20_000) + b"]}",
            b'{"prompts": [{"type": "point", "x": 1e999, "y": 1}]}',
            b'{"prompts": [{"type": "text", "phrase": "\\ud800"}]}',
            b'{"prompts": [{"type": "circle", "x": 9, "y": 9, "radius": 1e300}]}',
            b'{"prompts": [{"type": "mask", "segmentation": {"size": [480, 640], "counts": [-1]}}]}',
            b"\xff\xfe\x00",
        ]
        self.ask("POST", f"{self.image()}/segment", content=self.chance.choice(bodies), headers=JSON)

    def do_leave(self) -> None:
        path = f"{self.image()}/{self.chance.choice(['segment', 'everything'])}"
        body = {"prompts": [self.prompt()]} if path.endswith("segment") else {"options": {"points_per_side": 16}}
        with contextlib.suppress(httpx.TimeoutException):
            self.http.post(path, json=body, timeout=self.chance.uniform(0.005, 0.1))
        self.record.note(self.kind, "left")


WEIGHTS = {
    "do_segment": 30,
    "do_upload": 6,
    "do_damaged": 8,
    "do_session": 5,
    "do_objects": 5,
    "do_import": 3,
    "do_read": 15,
    "do_search": 1,
    "do_words": 1,
    "do_hostile": 8,
    "do_leave": 4,
}
"""How often each is chosen."""


def prepare(url: str) -> list[str]:
    """Uploads the pictures that stay, has each embedded, and asks for the largest work once."""
    with httpx.Client(base_url=url, timeout=300) as http:
        known = [
            http.post("/v1/images", content=picture(number), headers=BYTES, params={"embed": "false"}).json()["id"]
            for number in range(KNOWN)
        ]
        for image in known:
            http.get(f"/v1/images/{image}/embedding").raise_for_status()
        for image in known[:2]:  # what is loaded or reserved at the first use is there before memory is compared
            prompts = [{"type": "text", "phrase": "the person"}]
            http.post(f"/v1/images/{image}/segment", json={"prompts": prompts}).raise_for_status()
            for way in ("edges", "proposals"):
                http.post(f"/v1/images/{image}/{way}", json={"points_per_side": 8}).raise_for_status()
    return known


def watch(url: str, record: Record) -> None:
    """Notes memory until it is over."""
    with httpx.Client(base_url=url, timeout=300) as http:
        while not record.over:
            record.samples.append((time.monotonic() - record.begin, record.count, resident(http)))
            time.sleep(SAMPLE_SECONDS)


def soak(url: str, minutes: float, requests: int, clients: int, seed: int) -> Record:
    """Runs all clients until it is over."""
    known = prepare(url)
    begin = time.monotonic()
    record = Record(requests, begin + 60 * minutes, begin)
    threads = [
        threading.Thread(target=Client(url, known, record, seed + number).run, daemon=True) for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    watch(url, record)
    for thread in threads:
        thread.join(300)
        if thread.is_alive():
            record.faults.append("A client was still waiting after 300 s.")
    return record


def result(record: Record) -> dict[str, Any]:
    """Compares memory after the first tenth (the second one) with the last tenth, by requests done."""
    seconds, counts, memory = (np.array(column) for column in zip(*record.samples, strict=True))
    done = counts / record.count
    early, late = memory[(done >= 0.1) & (done < 0.2)], memory[done >= 0.9]
    if not len(early) or not len(late):
        raise SystemExit("That was too short to compare anything. Give more minutes or requests.")
    later = done >= 0.1
    growth = float(np.median(late) - np.median(early))
    return {
        "seconds": round(float(seconds[-1]), 1),
        "requests": record.count,
        "kinds": {name.removeprefix("do_"): times for name, times in record.kinds.most_common()},
        "statuses": dict(record.statuses.most_common()),
        "faults": record.faults,
        "memory_mb": {
            "after_the_first_tenth": round(float(np.median(early)), 1),
            "last_tenth": round(float(np.median(late)), 1),
            "growth": round(growth, 1),
            "growth_per_1000_requests": round(float(np.polyfit(counts[later], memory[later], 1)[0]) * 1000, 2),
            "highest": round(float(memory.max()), 1),
        },
        "flat": growth <= max(FLAT_MB, FLAT_SHARE * float(np.median(early))),
        "samples": [[round(at, 1), number, round(held, 1)] for at, number, held in record.samples],
    }


def plot(samples: list[list[float]], requests: int) -> str:
    """Draws memory against requests done; both axes begin at 0, a line marks the first tenth."""
    width, height, left, top = 560, 220, 60, 30
    high = 1.1 * max(held for _, _, held in samples)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 100} {height + 80}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="{left}" y="{top - 12}" font-weight="bold">memory of the server, MB</text>',
        f'<path d="M{left} {top}v{height}h{width}" fill="none" stroke="#888"/>',
        f'<path d="M{left + width / 10} {top}v{height}" stroke="#bbb" stroke-dasharray="4"/>',
    ]
    for step in range(5):
        x, y = left + step * width / 4, top + height - step * height / 4
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{high * step / 4:.0f}</text>')
        parts.append(f'<text x="{x}" y="{top + height + 16}" text-anchor="middle">{requests * step / 4:.0f}</text>')
    parts.append(f'<text x="{left + width / 2}" y="{top + height + 36}" text-anchor="middle">requests</text>')
    line = " ".join(
        f"{left + width * number / requests:.1f},{top + height * (1 - held / high):.1f}" for _, number, held in samples
    )
    parts.append(f'<polyline points="{line}" fill="none" stroke="#0072b2" stroke-width="1.5"/>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", nargs="*", default=[], help="options of `promptseg serve`, without their dashes")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/soak"), help="FILE of FILE.json and FILE.svg")
    given = parser.parse_args()
    options = [f"--{text}" for text in given.serve]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "promptseg", "serve", "--port", "0", "--data", folder, *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                found = re.search(r"http://[\d.:]+", process.stdout.readline())
                assert found
                record = soak(found[0], given.minutes, given.requests, given.clients, given.seed)
            finally:
                process.terminate()
    told = result(record)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.with_suffix(".json").write_text(json.dumps(told) + "\n")
    given.output.with_suffix(".svg").write_text(plot(told["samples"], told["requests"]))
    print(json.dumps({name: value for name, value in told.items() if name != "samples"}, indent=1))
    return 0 if told["flat"] and not told["faults"] else 1


if __name__ == "__main__":
    sys.exit(main())
