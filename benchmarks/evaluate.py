"""All that `promptseg evaluate` measures on the dev sets, as dated tables in results.md. Stop and resume at will.

    python benchmarks/evaluate.py DEV -o out/results [--peer-python ENV/bin/python] [--only clicks,point] [--threads 2]

Every job is one `promptseg evaluate` command, named above its table; its answers are kept in the output folder, so that
a run that was stopped goes on where it was, and a second run costs nothing. Limits are chosen for two slow cores; with
`--full` there are none. The peer's environment needs torch, torchvision, timm and mobilesam-mirror; it gets our
weights. Times in the tables are taken beside whatever else runs: the latency job alone is for a quiet machine.
"""

import argparse
import datetime
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import readme

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / "src/promptseg/models/weights/mobile_sam.safetensors"


@dataclass(frozen=True)
class Job:
    """One command: a task on a dataset."""

    task: str
    dataset: str
    limit: int | None = None
    options: str = ""
    needs: str = ""

    @property
    def name(self) -> str:
        return f"{self.task}-{self.dataset}{'-peers' if self.needs == 'peers' else ''}"


JOBS = (
    Job("clicks", "davis2016", 40),
    Job("clicks", "nuclei", 40, "--min-area 400"),
    Job("clicks", "coco", 60, "--min-area 400 --by size"),
    Job("clicks", "voc", 40),
    Job("clicks", "ccp", 40),
    Job("point", "coco", 100, "--by size"),
    Job("point", "voc", 80),
    Job("point", "nuclei", 60),
    Job("boxes", "coco", 40),
    Job("boxes", "nuclei", 10),
    Job("everything", "coco", 10, "--way fast"),
    Job("video", "davis2016"),
    Job("edges", "bsds500", 4),
    Job("clicks", "coco", 8, "--min-area 2000 --clicks 10", "peers"),
    Job("boxes", "coco", 6, "", "peers"),
    Job("latency", "coco", 6, "", "peers"),
    Job("semantic", "voc", 30, "", "words"),
    Job("semantic", "ccp", 20, "", "words"),
    Job("semantic", "coco", 30, "", "words"),
    Job("panoptic", "coco", 40, "", "words"),
    Job("instances", "coco", 30, "", "words"),
    Job("text", "coco", 40, "", "words"),
    Job("reference", "voc", 40, "", "words"),
    Job("labels", "coco", 200, "--by size", "words"),
    Job("labels", "caltech101", None, "", "words"),
    Job("labels", "clothing", None, "", "words"),
    Job("labels", "grocery", None, "", "words"),
)

DETAILS = re.compile(
    r"\| (IoU@[12]0|BIoU@1|NoC@[58]0|never 85|drop .*|failures@.*|random point .*|AP75|pixel accuracy"
    r"|mean class accuracy|frequency-weighted IoU|s per (picture|click|point|all boxes|all masks)) +\|"
)
"""Rows that the page does without; each job's own folder has all of them."""


def command(job: Job, given: argparse.Namespace) -> list[str]:
    """Returns the arguments after `promptseg`, with the real folders."""
    words = ["evaluate", job.task, str(Path(given.dev) / job.dataset), *shlex.split(job.options)]
    if job.limit is not None and not given.full:
        words += ["--limit", str(job.limit)]
    if job.needs == "peers":
        if job.task != "latency":
            words += ["--peer", "grabcut"]
        words += ["--peer", "mobilesam-mirror", "--peer-python", given.peer_python, "--peer-weights", str(WEIGHTS)]
    return [*words, "--threads", str(given.threads), *shlex.split(given.options)]


def shown(words: list[str], given: argparse.Namespace) -> str:
    """Returns the command with names in place of this machine's folders."""
    text = shlex.join(["promptseg", *words])
    for place, name in ((str(given.dev), "DEV"), (given.peer_python, "ENV/bin/python"), (str(WEIGHTS), "WEIGHTS")):
        text = text.replace(place, name) if place else text
    return text


def shortened(report: str) -> str:
    """Leaves out the rows of a report that the page does without."""
    return "".join(line for line in report.splitlines(keepends=True) if not DETAILS.match(line))


def run(job: Job, given: argparse.Namespace) -> str:
    """Runs a job, or says why it cannot be run; returns its part of the page."""
    words = command(job, given)
    folder = Path(given.output) / job.name
    done = subprocess.run(
        [sys.executable, "-m", "promptseg.cli.app", *words, "-o", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    head = f"## {job.name}\n\n    {shown(words, given)}\n"
    if done.returncode == 0:
        report = (folder / f"{job.task}.md").read_text()
        return f"{head}\n{report if job.task == 'latency' else shortened(report)}"
    lines = [line for line in done.stderr.splitlines() if line.startswith("promptseg:")]
    return f"{head}\nNot measured: {(lines or ['it failed'])[-1].removeprefix('promptseg: ')}\n"


def parts(given: argparse.Namespace) -> Iterator[str]:
    """Yields the page's parts as jobs end."""
    only = set(given.only.split(",")) if given.only else None
    for job in JOBS:
        if only is not None and job.task not in only and job.name not in only:
            continue
        if job.needs == "peers" and not given.peer_python:
            continue
        if job.needs == "words" and not given.words:
            continue
        print(job.name, flush=True)
        yield run(job, given)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dev", help="the folder of dev sets")
    parser.add_argument("-o", "--output", default="out/results")
    parser.add_argument("--page", default=str(HERE / "results.md"))
    parser.add_argument("--only", help="tasks or jobs, by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer-python", default="", help="without it, peers are left out")
    parser.add_argument("--words", action="store_true", help="also the tasks about words")
    parser.add_argument("--full", action="store_true", help="no limits")
    parser.add_argument("--options", default="", help="for every command, such as '--runtime onnx'")
    given = parser.parse_args()
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    page = (
        f"# Results on the dev sets\n\nMade by `python benchmarks/evaluate.py DEV`, {today}. Every table says its "
        "command, commit, processor and date;\nall rows are in the folder of its job. What the tasks are: "
        "[docs/evaluate.md](../docs/evaluate.md).\n"
    )
    for part in parts(given):
        page = f"{page}\n{part}"
        Path(given.page).write_text(page)  # after every job, so that a stopped run shows what it has
    if given.page == parser.get_default("page"):
        readme.write(Path(given.output))


if __name__ == "__main__":
    main()
