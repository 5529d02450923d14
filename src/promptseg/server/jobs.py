"""A bounded queue of work beside the event loop: busy servers refuse, clients that leave cancel, deadlines hold."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from starlette.requests import Request

from promptseg.server.http_errors import HttpError, busy, overdue
from promptseg.stopping import stoppable

T = TypeVar("T")

CLOSING_SECONDS = 2.0
"""How long a server that stops waits for work that does not."""


class Cancelled(Exception):
    """Raised inside a job that nobody waits for any more."""


class Gone(Exception):
    """The client has left; what is answered now reaches nobody."""


class Job:
    """What the work knows of its request.

    Attributes:
        loop: the event loop that waits, for `call_soon_threadsafe`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Asks the work to stop at its next step."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits any more."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Long work calls this between steps.

        Raises:
            Cancelled: nobody waits any more.
        """
        if self._cancelled.is_set():
            raise Cancelled


class JobQueue:
    """Runs jobs in a few threads.

    Long jobs hold all threads but one at most, so that clicks are answered while a picture is searched.

    Args:
        workers: jobs at a time.
        waiting: jobs that may wait.
        long: long jobs that may run or wait.
    """

    def __init__(self, workers: int, waiting: int, long: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="promptseg-job")
        self._workers, self._waiting, self._most_long = workers, waiting, long
        self._long_turn = asyncio.Semaphore(max(1, workers - 1))
        self._running: dict[Future[Any], Job] = {}
        self._pending = 0
        self._long = 0
        self._turn = asyncio.Lock()
        self._alone = 0

    @property
    def pending(self) -> int:
        """Jobs that run or wait for a thread."""
        return self._pending

    @property
    def long(self) -> int:
        """Long jobs that run or wait."""
        return self._long

    async def run(self, work: Callable[[Job], T], *, seconds: float, long: bool = False) -> T:
        """Runs `work` in a thread and returns what it returns.

        When the caller is cancelled, a job that waits never starts, and one that runs is told (`Job.cancelled`).

        Raises:
            HttpError: 503, the queue is full, or the time is over.
        """
        job = Job(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(seconds):
                return await (self._long_one(work, job) if long else self._wait(self._start(work, job), job))
        except TimeoutError as error:
            raise overdue(seconds) from error

    async def _long_one(self, work: Callable[[Job], T], job: Job) -> T:
        if self._long >= self._most_long:
            raise busy("The server is searching other pictures. Try again soon.", seconds=5)
        self._long += 1
        try:
            await self._long_turn.acquire()
            try:
                future = self._start(work, job, self._long_turn.release)
            except HttpError:
                self._long_turn.release()
                raise
            return await self._wait(future, job)
        finally:
            self._long -= 1

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """One after the other: for long work that holds much in memory between its jobs.

        Raises:
            HttpError: 503, as many wait as may.
        """
        if self._alone >= self._most_long:
            raise busy("The server reads other data sets. Try again soon.", seconds=5)
        self._alone += 1
        try:
            async with self._turn:
                yield
        finally:
            self._alone -= 1

    def _start(self, work: Callable[[Job], T], job: Job, at_end: Callable[[], None] | None = None) -> "Future[T]":
        if self._pending >= self._workers + self._waiting:
            raise busy("The server is busy. Try again soon.")
        self._pending += 1

        def count_down() -> None:
            self._pending -= 1
            if at_end is not None:
                at_end()

        def ended(future: "Future[T]") -> None:
            # A thread is free when its work has ended, which may be after its caller has left.
            self._running.pop(future, None)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server has stopped
                job.loop.call_soon_threadsafe(count_down)

        future = self._pool.submit(_run, work, job)
        self._running[future] = job
        future.add_done_callback(ended)
        return future

    @staticmethod
    async def _wait(future: "Future[T]", job: Job) -> T:
        try:
            return await asyncio.wrap_future(future)
        finally:
            job.cancel()  # of no effect on work that has ended

    def close(self, seconds: float = CLOSING_SECONDS) -> bool:
        """Starts nothing more, and asks running jobs to stop; False when one has not after `seconds`."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        running = dict(self._running)
        for job in running.values():
            job.cancel()
        return not wait(running, timeout=seconds).not_done


def _run(work: Callable[[Job], T], job: Job) -> T:
    job.check()
    with stoppable(job.check):
        return work(job)


async def unless_gone(request: Request, work: "asyncio.Future[T]") -> T:
    """Waits for `work`; when the client leaves first, cancels it.

    The body must have been read.

    Raises:
        Gone: the client has left.
    """
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise Gone
    finally:
        leaving.cancel()
        if not work.done():
            work.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
