"""Progress on stderr."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

import click

from promptseg.progress import Progress


def say_skipped(name: str, reason: str) -> None:
    """Reports a picture that a run skips, below the bar where there is one."""
    below = "\n" if sys.stderr.isatty() else ""
    print(f"{below}promptseg: skipped {name}: {reason}", file=sys.stderr)


@contextmanager
def progress_bar(label: str) -> Generator[Progress]:
    """Shows a bar while the block runs; gives the function to call with (done, in all)."""
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def follow(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield follow
