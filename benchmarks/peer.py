"""Speed beside the peer: same picture, same weights, same threads, in turn, in one run.

    python benchmarks/peer.py --peer-python ENV/bin/python --checkpoint mobile_sam.pt [--rounds 9] [--picture FILE]

The peer needs an environment of its own (torch, torchvision, timm, mobilesam-mirror==1.0.0); the checkpoint is our
embedded one as a .pt file (tools/write_peer_checkpoint.py).
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class Worker:
    """A contestant's process."""

    def __init__(self, python: str, kind: str, argument: str, threads: int) -> None:
        command = [python, str(HERE / "worker.py"), kind, argument, str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, *job: object) -> Any:
        """Sends a job and returns the answer."""
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--picture", default=str(HERE.parent / "examples/astronaut.jpg"))
    parser.add_argument("--point", default="225,110")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtimes", default="onnx,openvino")
    options = parser.parse_args()
    x, y = (float(value) for value in options.point.split(","))
    workers = {"peer": Worker(options.peer_python, "peer", options.checkpoint, options.threads)}
    for runtime in options.runtimes.split(","):
        workers[runtime] = Worker(sys.executable, "ours", runtime, options.threads)
    for worker in workers.values():
        print(worker.ask("name"))
        worker.ask("embed", options.picture)
        worker.ask("prompt", x, y)
    seconds = {(task, name): [] for task in ("embed", "prompt") for name in workers}
    for _ in range(options.rounds):
        for name, worker in workers.items():
            seconds["embed", name].append(worker.ask("embed", options.picture))
        for name, worker in workers.items():
            seconds["prompt", name].append(min(worker.ask("prompt", x, y) for _ in range(3)))
    print(f"| task | contestant | median | peer / ours, median of {options.rounds} pairs (min to max) |")
    print("|---|---|---|---|")
    for (task, name), values in seconds.items():
        ratios = [a / b for a, b in zip(seconds[task, "peer"], values, strict=True)]
        spread = (
            f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
            if name != "peer"
            else ""
        )
        print(f"| {task} | {name} | {statistics.median(values) * 1e3:.1f} ms | {spread} |")


if __name__ == "__main__":
    main()
