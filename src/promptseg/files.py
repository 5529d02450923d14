"""Writing files so that no reader ever sees half of one."""

import contextlib
import io
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, BinaryIO

from promptseg.errors import OutputError


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Generator[BinaryIO]:
    """Opens a temporary file beside `path` and renames it onto `path` when the block ends well.

    Parent folders are made. When the block raises, the temporary file is removed and `path` is untouched.

    Raises:
        OutputError: the folder or file cannot be written (no permission, disk full, path is a folder).
    """
    target = Path(path)
    if "\0" in str(target):
        raise OutputError(f"Cannot write {str(target)!r}: a file name holds no null character.")
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A short name of its own, so that every name that the folder allows can be written.
        candidate = target.parent / f".{target.name[:40]}.{os.urandom(8).hex()}.part"
        descriptor = os.open(candidate, _NEW_FILE, 0o666)  # the process's umask applies
        temporary = candidate
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"Cannot write {target}: {error.strerror or error}. Choose another place with -o.") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def check_new(path: str | os.PathLike[str], *, overwrite: bool = False, source: Any = None) -> None:
    """Refuses to write over a file: the one rule of all commands.

    Args:
        path: what is to be written.
        overwrite: whether a file that is there gives way.
        source: what it is made from, which never does.

    Raises:
        OutputError: there is such a file already, or a file where its folder would be.
    """
    target = Path(path)
    if not target.exists():
        place = next((parent for parent in target.parents if parent.exists()), None)
        if place is not None and not place.is_dir():
            raise OutputError(f"Cannot write {target}: {place} is a file. Choose another place with -o.")
        return
    if source is not None and Path(source).exists() and target.samefile(source):
        raise OutputError(f"{target} is what the result is made from. Choose another place with -o.")
    if not overwrite:
        raise OutputError(f"{target} is there already. Replace it with --overwrite, or choose another place with -o.")


_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes `content` to `path` atomically (see `atomic_write`)."""
    with atomic_write(path) as file:
        file.write(content)


def claim(path: str | os.PathLike[str], used: str) -> BinaryIO:
    """Holds a lock file until it is closed, or the process ends, so that two processes never do the same work.

    Args:
        path: the lock file.
        used: what is said where another process holds it.

    Raises:
        OutputError: another process holds it, or it cannot be written.
    """
    try:
        file = io.open(path, "ab")  # noqa: SIM115, UP020 - held by the caller
    except OSError as error:
        raise OutputError(f"Cannot write {os.fspath(path)}: {error.strerror or error}.") from error
    try:
        import fcntl
    except ImportError:  # Windows has no such locks; SQLite still keeps databases whole
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise OutputError(used) from error
    return file
