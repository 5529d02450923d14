"""The cache of downloaded weights: a file appears in it only when it is whole and its hash is right."""

import contextlib
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from promptseg.errors import OutputError, WeightsError
from promptseg.files import atomic_write
from promptseg.models.registry import ModelCard, embedded_weights_path
from promptseg.models.tensors import read_safetensors, write_safetensors
from promptseg.progress import Progress

__all__ = [
    "Download",
    "Opener",
    "cache_folder",
    "download",
    "file_sha256",
    "find_weights",
    "read_safetensors",
    "write_safetensors",
]

_CHUNK = 2**20
_TIMEOUT_SECONDS = 30
_LEFTOVER_SECONDS = 24 * 3600

Opener = Callable[[str], contextlib.AbstractContextManager["Response"]]
"""Opens an address for reading."""


class Response(Protocol):
    """What a download needs of an open connection."""

    def read(self, count: int, /) -> bytes:
        """Returns up to `count` bytes; none at the end."""
        ...


class Download(Protocol):
    """What is known of a file before it is downloaded: a `ModelCard` says so, or a file of a `SpeechCard`."""

    @property
    def name(self) -> str:
        """The model."""
        ...

    @property
    def url(self) -> str:
        """Where it is."""
        ...

    @property
    def bytes(self) -> int:
        """Its size."""
        ...

    @property
    def sha256(self) -> str:
        """Its hash; empty where none is recorded."""
        ...

    @property
    def checkpoint(self) -> str:
        """Its name."""
        ...

    @property
    def by_hand(self) -> str:
        """What to do with one that was got by other means."""
        ...


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Returns $PROMPTSEG_CACHE, else $XDG_CACHE_HOME/promptseg, else ~/.cache/promptseg. It need not exist.

    Raises:
        WeightsError: none is set and there is no home folder.
    """
    variables = os.environ if environment is None else environment
    if own := variables.get("PROMPTSEG_CACHE"):
        return Path(own)
    xdg = variables.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # the XDG rules say to ignore relative ones
        return Path(xdg) / "promptseg"
    try:
        return Path(variables.get("HOME") or Path.home()) / ".cache" / "promptseg"
    except RuntimeError as error:
        raise WeightsError("There is no home folder for the cache. Set PROMPTSEG_CACHE to a folder.") from error


def find_weights(card: ModelCard, cache: Path) -> Path:
    """Returns the safetensors file of a model: the embedded one, or `<cache>/<name>.safetensors`.

    Raises:
        WeightsError: it is not there; the message says how to get it.
    """
    if card.embedded:
        return embedded_weights_path()
    path = cache / f"{card.name}.safetensors"
    if not os.path.isfile(path):
        raise WeightsError(f"The weights of {card.name} are not in {cache}. {_how_to_get(card)}")
    return path


def _how_to_get(card: ModelCard) -> str:
    if card.sha256:
        return f"Run: promptseg models download {card.name}"
    return f"Download {card.url} and {card.by_hand}; or give a safetensors file as weights."


def download(card: Download, cache: Path, *, opener: Opener | None = None, progress: Progress | None = None) -> Path:
    """Downloads an official file of a model into the cache, unless the right file is there already.

    The bytes go to a temporary file of the same folder, which takes the final name only when its size and
    SHA-256 are right: an interrupted, killed or concurrent download never leaves a wrong file.

    Args:
        card: which model.
        cache: the folder, made when needed.
        opener: opens the address; by default HTTPS, also after redirects.
        progress: told how far it is.

    Returns:
        The path of the file. A PyTorch checkpoint is a pickle that only `convert_checkpoint` should open.

    Raises:
        WeightsError: the address is not HTTPS, cannot be reached, or sends something else.
        OutputError: the cache cannot be written.
    """
    if not card.sha256:
        raise WeightsError(
            f"The hash of {card.checkpoint} is not recorded, so promptseg does not download it. Get it from {card.url} "
            f"yourself, then {card.by_hand}"
        )
    if not card.url.startswith("https://"):
        raise WeightsError(f"{card.name} is at {card.url}, but weights are downloaded by https only.")
    target = cache / card.checkpoint
    if os.path.isfile(target) and target.stat().st_size == card.bytes and file_sha256(target) == card.sha256:
        return target
    _sweep(target)
    try:
        with atomic_write(target) as file, _connected(card, cache, opener or _open_https) as response:
            _copy(response, file, card, progress)
    except OutputError as error:
        message = f"Cannot write the weights into {cache}: {error.__cause__ or error}."
        raise OutputError(f"{message} Set PROMPTSEG_CACHE to another folder.") from error
    return target


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 (hex) of a file.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error


def _copy(response: Response, file: BinaryIO, card: Download, progress: Progress | None) -> None:
    digest, received = hashlib.sha256(), 0
    while chunk := _received(response, card):
        received += len(chunk)
        if received > card.bytes:
            raise WeightsError(f"{card.url} sends more than the {card.bytes:,} bytes of {card.name}. Not kept.")
        digest.update(chunk)
        file.write(chunk)
        if progress:
            progress(received, card.bytes)
    if received != card.bytes:
        raise WeightsError(f"The download of {card.url} ended after {received:,} of {card.bytes:,} bytes. Try again.")
    if digest.hexdigest() != card.sha256:
        raise WeightsError(
            f"{card.url} sent a file with the SHA-256 {digest.hexdigest()}, expected {card.sha256}. Not kept."
        )


def _received(response: Response, card: Download) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(f"The download of {card.url} was interrupted: {error}. Try again.") from error


@contextlib.contextmanager
def _connected(card: Download, cache: Path, opener: Opener) -> Generator[Any]:
    try:
        response = opener(card.url)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"{card.url} cannot be reached ({reason}). Download it by other means, then {card.by_hand}"
        ) from error
    with response as connection:
        yield connection


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"redirected to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open_https(url: str) -> contextlib.AbstractContextManager[Response]:
    request = urllib.request.Request(url, headers={"User-Agent": "promptseg"})  # noqa: S310 - https, checked before
    return urllib.request.build_opener(_HttpsOnly).open(request, timeout=_TIMEOUT_SECONDS)


def _sweep(target: Path) -> None:
    """Removes what killed downloads left more than a day ago; younger ones may still be running."""
    for leftover in target.parent.glob(f".{target.name}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_SECONDS:
                leftover.unlink()
