"""What a run tells: one JSON line per entry, TensorBoard if it is installed, and a progress bar on a terminal."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from promptseg.errors import OutputError


class Log:
    """Writes to `folder/log.jsonl`, and to TensorBoard's event files beside it."""

    def __init__(self, folder: Path, steps: int, *, quiet: bool = False) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lines: TextIO = (folder / "log.jsonl").open("a", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"Cannot write the log into {folder}: {error.strerror or error}.") from error
        self._steps, self._quiet, self._began = steps, quiet, time.monotonic()
        self._first: int | None = None
        self._board: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder))

    def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
        """Adds an entry: `kind` is "train" or "evaluate", values are numbers by name.

        Raises:
            OutputError: it cannot be written.
        """
        entry = {"step": step, "kind": kind, **{name: float(f"{value:.6g}") for name, value in values.items()}}
        try:
            self._lines.write(json.dumps(entry) + "\n")
            self._lines.flush()
        except OSError as error:
            raise OutputError(f"Cannot write {self._lines.name}: {error.strerror or error}.") from error
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def show(self, step: int, values: Mapping[str, float]) -> None:
        """Draws the progress bar."""
        if self._quiet or not sys.stderr.isatty():
            return
        self._first = step - 1 if self._first is None else self._first
        elapsed = time.monotonic() - self._began
        left = elapsed / max(1, step - self._first) * (self._steps - step)
        filled = 30 * step // self._steps
        text = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        bar = "#" * filled + "-" * (30 - filled)
        line = f"{bar} {step}/{self._steps}  {_clock(left)} left  {text}"
        print(f"\r{line[:118]:<118}", end="\n" if step == self._steps else "", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Closes the files."""
        with contextlib.suppress(OSError):  # what could not be written is tried once more
            self._lines.close()
        if self._board is not None:
            self._board.close()


def say(what: str) -> Callable[[int, int], None]:
    """Returns a function that tells a terminal how far a preparation is."""

    def tell(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{what}: {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return tell


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
