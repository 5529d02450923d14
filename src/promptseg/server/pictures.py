"""Pictures and their embeddings: each is computed once, however many ask for it at a time."""

import asyncio
import contextlib
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from PIL import Image as Pillow

from promptseg.images import Image
from promptseg.images.bands import ReadingOptions
from promptseg.images.quiet import quiet_pillow
from promptseg.notes import told
from promptseg.server.http_errors import not_found
from promptseg.server.jobs import Job, JobQueue
from promptseg.server.memory import Memory
from promptseg.server.metrics import Metrics
from promptseg.server.models import ServedModels
from promptseg.server.settings import Limits
from promptseg.server.store import Picture, Store, no_room, now

_log = logging.getLogger("promptseg.server")

_OTHER = "application/octet-stream"
_ORIENTATION = 0x0112

AS_IT_IS = ReadingOptions()
"""A file read without any choice."""

SEEM_BYTES = 64 * 2**20
"""What an embedding of SEEM is counted as."""


@dataclass(eq=False, slots=True)
class _Shared:
    """An embedding in the making, and how many wait for it."""

    task: "asyncio.Task[Any]"
    waiters: int = 0


class Pictures:
    """What a server knows of pictures, over the store.

    Args:
        store: where they are kept.
        models: what embeds them.
        jobs: where work is done.
        limits: see `Limits`.
        metrics: what is counted.
    """

    def __init__(self, store: Store, models: ServedModels, jobs: JobQueue, limits: Limits, metrics: Metrics) -> None:
        self._store, self._models, self._jobs = store, models, jobs
        self._limits, self._metrics = limits, metrics
        self.memory = Memory(limits.memory_bytes)
        self._making: dict[tuple[str, str], _Shared] = {}
        self._ahead: set[asyncio.Task[Any]] = set()

    async def add(
        self,
        content: bytes,
        name: str,
        options: ReadingOptions = AS_IT_IS,
        tell: Callable[[str], object] = lambda note: None,
    ) -> tuple[Picture, bool]:
        """Decodes and keeps a picture; the second value says whether it is new.

        A file that was read in a way that was asked for is kept as a PNG of what was read.

        Args:
            content: the file.
            name: its name.
            options: how it is read.
            tell: is told what is good to know of it.

        Raises:
            ImageError: it cannot be read or is too large.
            HttpError: 413, there is no room for more pictures.
        """
        image, media, content = await self._jobs.run(
            lambda job: _decode(content, self._limits, options, tell), seconds=self._limits.request_seconds
        )
        known = await asyncio.to_thread(self._store.picture, image.digest)
        if known is not None:
            if name and not known.name:
                await asyncio.to_thread(self._store.name_picture, known.id, name)
                known = replace(known, name=name)
            return known, False
        count, size = await asyncio.to_thread(self._store.usage)
        if count >= self._limits.max_images or size + len(content) > self._limits.max_stored_bytes:
            raise no_room(count, size)
        height, width = image.size
        record = Picture(image.digest, width, height, name, media, len(content), now())
        new = await asyncio.to_thread(self._store.add_picture, record, content)
        self.memory.put(("pixels", image.digest), image, image.pixels.nbytes)
        return record if new else await self.record(image.digest), new

    async def record(self, image: str) -> Picture:
        """Returns a picture's record.

        Raises:
            HttpError: 404, there is no such picture.
        """
        found = await asyncio.to_thread(self._store.picture, image)
        if found is None:
            raise not_found(f"There is no picture {image}. Upload it: POST /v1/images.")
        return found

    async def drop(self, image: str) -> None:
        """Deletes a picture with everything that belongs to it.

        Raises:
            HttpError: 404, there is no such picture.
        """
        if not await asyncio.to_thread(self._store.drop_picture, image):
            raise not_found(f"There is no picture {image}.")
        await self._forget(image)

    async def _forget(self, image: str) -> None:
        """Drops pixels and embeddings, from memory and from the disk."""
        self.memory.drop(("pixels", image), *((image, name) for name in self._models.names))
        await asyncio.to_thread(self._models.forget, image)

    def open(self, picture: Picture) -> Image:
        """Reads a picture; blocks.

        Raises:
            HttpError: 404, its file is gone.
            ImageError: it is damaged.
        """
        known = self.memory.get(("pixels", picture.id))
        if known is not None:
            return known
        with told(lambda text: None):  # it was said at the upload
            # Of bytes: messages about a file would tell its path.
            image = Image.open(self._read(picture), name=picture.name or picture.id[:16], limits=self._limits.image)
        self.memory.put(("pixels", picture.id), image, image.pixels.nbytes)
        return image

    def is_embedded(self, image: str) -> bool:
        """Whether the embedding by the default model is in memory."""
        return (image, self._models.names[0]) in self.memory

    def embed_ahead(self, picture: Picture) -> None:
        """Begins to embed a picture by the default model, and to look at it for words.

        When the server is busy, it is left for later.
        """
        model = self._models.names[0]

        async def work() -> None:
            with contextlib.suppress(Exception):  # the request that needs it will say what is wrong
                embedded = await self.embedded(picture, model)
                look = partial(_look, self._models, model, embedded)
                await self._jobs.run(look, seconds=self._limits.everything_seconds, long=True)

        task = asyncio.get_running_loop().create_task(work())
        self._ahead.add(task)
        task.add_done_callback(self._ahead.discard)

    async def embedded(self, picture: Picture, model: str) -> Any:
        """Returns the embedding of a picture; those who ask at the same time share one computation.

        Raises:
            HttpError: 503, the server is busy.
        """
        key = (picture.id, model)
        found = self.memory.get(key)
        if found is not None:
            self._metrics.embeddings.labels("memory").inc()
            return found
        shared = self._making.get(key)
        if shared is None:
            task = asyncio.get_running_loop().create_task(self._make(picture, model))
            shared = self._making[key] = _Shared(task)
            task.add_done_callback(lambda done: self._made(key, done))
        else:
            self._metrics.embeddings.labels("shared").inc()
        shared.waiters += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiters -= 1
            if shared.waiters == 0 and not shared.task.done():
                self._making.pop(key, None)
                shared.task.cancel()

    def _made(self, key: tuple[str, str], task: "asyncio.Task[Any]") -> None:
        shared = self._making.get(key)
        if shared is not None and shared.task is task:
            del self._making[key]
        if not task.cancelled():
            task.exception()  # seen

    async def _make(self, picture: Picture, model: str) -> Any:
        def work(job: Job) -> Any:
            segmenter = self._models.get(model)
            image = self.open(picture)
            job.check()
            with told(_log.warning), self._metrics.embedding_seconds.time():
                return segmenter.embed(image)

        embedded = await self._jobs.run(work, seconds=self._limits.request_seconds)
        if await asyncio.to_thread(self._store.picture, picture.id) is None:
            await self._forget(picture.id)
            raise not_found(f"The picture {picture.id} was deleted meanwhile.")
        self._metrics.embeddings.labels("computed").inc()
        features = getattr(embedded.features, "nbytes", SEEM_BYTES)
        self.memory.put((picture.id, model), embedded, features + embedded.image.pixels.nbytes)
        self.memory.drop(("pixels", picture.id))  # the embedding holds them
        return embedded

    async def file(self, picture: Picture) -> tuple[bytes, str]:
        """Returns a picture for display: the file, or a PNG when browsers do not show its kind, and its type.

        Raises:
            HttpError: 404, it is gone.
        """
        if picture.media != _OTHER:
            return await asyncio.to_thread(self._read, picture), picture.media
        png = await self._jobs.run(
            lambda job: _encode(self.open(picture).pixels, "PNG"), seconds=self._limits.request_seconds
        )
        return png, "image/png"

    def _read(self, picture: Picture) -> bytes:
        try:
            return self._store.path_of(picture.id).read_bytes()
        except OSError as error:
            raise not_found(f"The file of the picture {picture.id} is gone. Upload it again.") from error

    async def thumbnail(self, picture: Picture, side: int) -> bytes:
        """Returns a JPEG whose longer side is at most `side`."""

        def work(job: Job) -> bytes:
            with quiet_pillow():
                small = Pillow.fromarray(self.open(picture).pixels)
                small.thumbnail((side, side), reducing_gap=2.0)
                return _encode(small, "JPEG")

        return await self._jobs.run(work, seconds=self._limits.request_seconds)


def _look(models: ServedModels, model: str, embedded: Any, job: Job) -> None:
    models.get(model).look(embedded)


def _decode(
    content: bytes, limits: Limits, options: ReadingOptions, tell: Callable[[str], object]
) -> tuple[Image, str, bytes]:
    with told(tell):
        image = Image.open(
            content, limits=limits.image, page=options.page, channels=options.channels, levels=options.levels
        )
    image.digest  # noqa: B018 - computed here, beside the event loop, and kept
    if options.plain:
        return image, _media(content), content
    return image, "image/png", _encode(image.pixels, "PNG")


def _media(content: bytes) -> str:
    """Returns the type of a file that every browser shows as it was read here, else that of any bytes."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    media = {b"\x89PNG": "image/png", b"RIFF": "image/webp"}.get(content[:4])
    if media is None or (media == "image/png" and content[24:25] == b"\x10"):  # 16 bits are shown in another way
        return _OTHER
    try:
        with quiet_pillow(), Pillow.open(io.BytesIO(content), formats=["PNG", "WEBP"]) as picture:
            turned = picture.getexif().get(_ORIENTATION, 1) != 1
            return _OTHER if turned or getattr(picture, "is_animated", False) else media
    except Exception:  # whatever Pillow makes of its metadata: the pixels were read, and a PNG of them will do
        return _OTHER


def _encode(pixels: Any, form: str) -> bytes:
    file = io.BytesIO()
    picture = pixels if isinstance(pixels, Pillow.Image) else Pillow.fromarray(pixels)
    picture.save(file, format=form, **({"quality": 85} if form == "JPEG" else {"compress_level": 3}))
    return file.getvalue()
