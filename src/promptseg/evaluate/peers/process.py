"""A peer in a process of its own, spoken to in JSON lines (docs/evaluate.md)."""

import json
import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from PIL import Image as PIL

from promptseg.errors import InputError, PromptsegError
from promptseg.evaluate.contestants.contestant import ABILITIES, Contestant
from promptseg.images import Image
from promptseg.runtimes.options import EngineOptions

PROTOCOL = 1
PATIENCE = 1800.0
"""Seconds that a peer may take for one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCommand:
    """How a peer is started.

    Attributes:
        command: the program and its arguments.
        name: how the report calls it; by default as it calls itself.
    """

    command: tuple[str, ...]
    name: str | None = None


class Peer(Contestant):
    """A contestant in another process.

    Args:
        peer: how it is started.
        threads: how many threads it may compute with.
        patience: seconds that it may take for one answer.

    Raises:
        InputError: it cannot be started, or does not speak the protocol.
    """

    def __init__(self, peer: PeerCommand, threads: int, patience: float = PATIENCE) -> None:
        super().__init__()
        self._command, self._patience = peer.command, patience
        self.name = peer.name or peer.command[0]
        self._folder = tempfile.TemporaryDirectory(prefix="promptseg-peer-")
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._image: Image | None = None
        self._memory: int | None = None
        try:
            self._process = subprocess.Popen(
                list(peer.command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                text=True,
                bufsize=1,
            )
        except OSError as error:
            self._folder.cleanup()
            self._complaints.close()
            raise InputError(f"The peer {peer.command[0]!r} cannot be started: {error}.") from error
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            hello = self._ask("hello", protocol=PROTOCOL, threads=threads)
            if int(hello.get("protocol", 0)) != PROTOCOL:
                raise InputError(f"The peer {self.name} does not speak protocol {PROTOCOL}: {str(hello)[:120]}.")
            self.name = peer.name or str(hello["name"])
            self.settings = str(hello.get("settings", ""))
            self.abilities = frozenset(map(str, hello["abilities"])) & ABILITIES.keys()
        except (PromptsegError, KeyError, TypeError, ValueError) as error:
            self.close()
            if isinstance(error, PromptsegError):
                raise
            raise InputError(f"The peer {self.name} introduced itself wrongly: {error!r}.") from error

    def start(self, image: Image) -> None:
        """Hands over a new picture as a PNG file."""
        self._image = image
        self._ask("picture", path=self._hand_over(image, "picture"), width=image.size.width, height=image.size.height)

    def begin(self) -> None:
        """Begins a new object."""
        self._ask("begin")

    def ask(self, ability: str, *given: Any, **named: Any) -> Any:
        """Does whatever it can do: asks the other process.

        Raises:
            InputError: it does not answer, or not as the protocol says.
        """
        if self._image is None:
            raise PromptsegError("start() comes before everything else.")
        known = ABILITIES[ability]
        answer = self._ask(ability, **known.request(given, named, self._hand_over))
        try:
            return known.read(answer, self._image.size, given)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise InputError(f"{self.name} answered {ability!r} with what cannot be read: {error}") from error

    def peak_memory(self) -> int | None:
        """Returns what the process last said."""
        return self._memory

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._complaints.close()
        self._folder.cleanup()

    def _hand_over(self, image: Image, name: str) -> str:
        path = Path(self._folder.name) / f"{name}.png"
        PIL.fromarray(image.pixels).save(path, compress_level=1)
        return str(path)

    def _listen(self) -> None:
        if self._process.stdout is not None:
            try:
                for line in self._process.stdout:
                    self._lines.put(line)
            except ValueError:
                pass  # closed while we waited
        self._lines.put("")

    def _ask(self, operation: str, **fields: Any) -> dict[str, Any]:
        try:
            assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe
            self._process.stdin.write(json.dumps({"op": operation, **fields}) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=self._patience)
        except (BrokenPipeError, ValueError):
            line = ""
        except queue.Empty:
            raise InputError(f"{self.name} did not answer {operation!r} within {self._patience:g} s.") from None
        if not line:
            raise InputError(f"{self.name} ended while it was asked {operation!r}: {self._last_words()}")
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise InputError(f"{self.name} answered {operation!r} with no JSON: {line[:120]!r}.") from error
        if not isinstance(answer, dict):
            raise InputError(f"{self.name} answered {operation!r} with {line[:120]!r}, an object is expected.")
        if "error" in answer:
            raise InputError(f"{self.name} could not do {operation!r}: {str(answer['error'])[:300]}")
        if isinstance(answer.get("seconds"), int | float):
            self.clock.report(float(answer["seconds"]))
        if isinstance(answer.get("peak_bytes"), int):
            self._memory = answer["peak_bytes"]
        return answer

    def _last_words(self) -> str:
        self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}, without a word"


def our_command(engine: EngineOptions, *, recipe: bool = False) -> PeerCommand:
    """Returns how promptseg itself is started as a peer, which hears the number of its threads later."""
    said = {name: getattr(engine, name) for name in ("model", "runtime", "precision", "device", "weights")}
    words = [word for name, value in said.items() if value is not None for word in (f"--{name}", str(value))]
    command = (sys.executable, "-m", "promptseg.evaluate.peers.serve", *words, *(["--recipe"] * recipe))
    return PeerCommand(command=command, name="official recipe" if recipe else "promptseg")
