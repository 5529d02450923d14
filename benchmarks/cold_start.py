"""Cold start beside the peer: a new process loads the model, segments one picture by one click, writes the mask.

    python benchmarks/cold_start.py --peer-python ENV/bin/python [--rounds 7]

Wall time and peak memory (the process's largest resident set) of whole processes, in turn. It also times
`import promptseg` in a fresh interpreter.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peer

HERE = Path(__file__).resolve().parent


def run(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Runs a process; returns wall seconds and peak megabytes."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    problem = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed: {problem.decode()[-2000:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peer.add_options(parser)
    parser.add_argument("--picture", default=str(HERE.parent / "examples/astronaut.jpg"))
    parser.add_argument("--point", default="225,110")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    with tempfile.TemporaryDirectory() as folder:
        theirs = [options.picture, *options.point.split(","), f"{folder}/peer.png"]
        cli = [str(Path(sys.executable).parent / "promptseg"), "segment", options.picture]
        cli += ["--point", options.point, "-f", "png", "-o", folder, "--threads", str(options.threads)]
        commands = {
            "peer": peer.command(options.peer_python, "once", *theirs),
            "auto (ONNX Runtime)": cli,
            "--runtime openvino": [*cli, "--runtime", "openvino"],
            "import promptseg": [sys.executable, "-c", "import promptseg"],
            "python alone": [sys.executable, "-c", "pass"],
        }
        for command in commands.values():
            run(command, environment)
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                figures[name].append(run(command, environment))
    print("| process | wall, median | peer / ours, median of pairs | peak memory, median | ours / peer |")
    print("|---|---|---|---|---|")
    reference = figures["peer"]
    for name, values in figures.items():
        wall, memory = (statistics.median(column) for column in zip(*values, strict=True))
        pairs = list(zip(reference, values, strict=True))
        speed = statistics.median(a[0] / b[0] for a, b in pairs)
        size = statistics.median(b[1] / a[1] for a, b in pairs)
        print(f"| {name} | {wall:.2f} s | {speed:.2f}x | {memory:.0f} MB | {size:.2f} |")


if __name__ == "__main__":
    main()
