"""Worker processes that outlive bad pictures and do not outlive the run.

Each worker has a pipe of its own. When the run is killed, the pipe ends and the worker leaves after the picture in
hand. When a worker dies (a reader crashes, the system is out of memory), the run notices, starts another, and tries the
picture once more before it gives it up.
"""

import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, TypeAlias

from promptseg.batch.labeler import Columns, LabelerSettings
from promptseg.batch.sources import Item
from promptseg.errors import PromptsegError

MakeLabeler: TypeAlias = Callable[[LabelerSettings], Callable[[Columns], dict[str, list[str]]]]
"""`Labeler`, or a class like it; it must be importable by name, since worker processes import it."""

_ATTEMPTS = 2
_GRACE_SECONDS = 5


class LabelerAnswer(NamedTuple):
    """What a labeler said about a picture: a record, or an error."""

    item: Item
    record: str
    error: str


def label_here(settings: LabelerSettings, items: Iterable[Item], make: MakeLabeler) -> Generator[LabelerAnswer]:
    """Labels pictures in this process, one after the other."""
    labeler = make(settings)
    for item in items:
        yield _label(labeler, item)


def label_in_processes(
    settings: LabelerSettings, items: Iterable[Item], workers: int, make: MakeLabeler
) -> Generator[LabelerAnswer]:
    """Labels pictures in `workers` processes and yields the answers as they come.

    Raises:
        PromptsegError: whatever a labeler raises when it is made, or a worker that dies before it is ready.
    """
    pending = iter(items)
    again: deque[Item] = deque()
    losses: dict[Item, int] = {}
    crew = [_Worker(settings, make) for _ in range(workers)]
    try:
        while crew:
            for connection in wait([worker.connection for worker in crew]):
                worker = next(worker for worker in crew if worker.connection is connection)
                item = worker.item
                try:
                    message = worker.receive()
                except (EOFError, OSError):
                    crew.remove(worker)
                    code = worker.stop()
                    if item is None:
                        raise PromptsegError(f"A worker process ended with code {code} before it was ready.") from None
                    losses[item] = losses.get(item, 0) + 1
                    if losses[item] < _ATTEMPTS:
                        again.append(item)
                    else:
                        death = f"{_ATTEMPTS} worker processes died of it, the last with code {code}; out of memory?"
                        yield LabelerAnswer(item, "", f"{item.name}: {death}")
                    crew.append(_Worker(settings, make))
                    continue
                if isinstance(message, Exception):
                    raise message
                if item is not None and message is not None:
                    yield message
                following = again.popleft() if again else next(pending, None)
                if following is None:
                    crew.remove(worker)
                    worker.stop()
                else:
                    worker.give(following)
    finally:
        for worker in crew:
            worker.stop()


@contextmanager
def _deaf() -> Generator[None]:
    """Lets processes that start in the block not hear interrupts from the keyboard, which are the run's business."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # which would unblock them again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """One process, its pipe, and the picture that it has in hand."""

    def __init__(self, settings: LabelerSettings, make: MakeLabeler) -> None:
        context = get_context("spawn")  # forked children of a process with threads may hang
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, settings, make), daemon=True)
        with _deaf():
            self.process.start()
        theirs.close()  # so that the worker's end closes with the worker
        self.item: Item | None = None

    def give(self, item: Item) -> None:
        self.item = item
        with suppress(OSError):  # it has died meanwhile, which the next `receive` finds
            self.connection.send(item)

    def receive(self) -> Any:
        message = self.connection.recv()
        self.item = None
        return message

    def stop(self) -> int | None:
        """Ends the process and returns its exit code."""
        self.connection.close()
        if self.item is not None:
            self.process.terminate()
        self.process.join(_GRACE_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        return self.process.exitcode


def _work(connection: "Connection[Any, Any]", settings: LabelerSettings, make: MakeLabeler) -> None:
    """What a worker process does: says None when it is ready, then answers every item."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt from the keyboard is the run's business
    try:
        labeler = make(settings)
    except Exception as error:
        connection.send(error)
        return
    message: Any = None
    while True:
        try:
            connection.send(message)
            item = connection.recv()
        except (EOFError, OSError):
            return
        try:
            message = _label(labeler, item)
        except Exception as error:
            message = error


def _label(labeler: Callable[[Columns], dict[str, list[str]]], item: Item) -> LabelerAnswer:
    answer = labeler({"path": [item.path], "name": [item.name]})
    return LabelerAnswer(item, answer["record"][0], answer["error"][0])
