"""`promptseg embed`: fills an embedding cache, so that later commands start with the decoder."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptseg.cli import options
from promptseg.cli.command import Command, argument
from promptseg.cli.progress import progress_bar, say_skipped
from promptseg.cli.streams import open_picture
from promptseg.errors import ImageError, InputError
from promptseg.runtimes.options import EngineOptions

if TYPE_CHECKING:
    from promptseg.images.bands import ReadingOptions


@click.command(cls=Command)
@argument(
    "source",
    'A folder, a glob in quotes ("photos/*.jpg"), a list of paths (@list.txt) or a picture.',
    metavar="PICTURES",
)
@click.option(
    "--cache",
    type=options.PATH,
    help="Folder for the embeddings; default: embeddings in promptseg's cache.",
    metavar="DIR",
)
@click.option("--limit", help="Largest size of the folder, like 500MB or 20GB; what was not used for longest goes.")
@options.reading
@options.engine()
def embed(source: str, cache: Path | None, limit: str | None, reading: "ReadingOptions", engine: EngineOptions) -> None:
    """Embeds pictures into a cache that `segment` and `everything` use with --cache.

    An embedding takes 2 MiB. Pictures that are there already cost no computing. Pictures that cannot be read are
    reported and skipped; the exit code is then 1.
    """
    from promptseg.batch.sources import find_pictures
    from promptseg.models.store import cache_folder
    from promptseg.segment.cache import EmbeddingCache
    from promptseg.segment.segmenter import Segmenter

    items = find_pictures(source)
    folder = cache or cache_folder() / "embeddings"
    most = None if limit is None else read_size(limit)
    kept = EmbeddingCache(folder, memory_bytes=0, disk_bytes=most, must_write=True)
    segmenter = Segmenter.of(engine, cache=kept)
    there = failed = 0
    with progress_bar("pictures") as follow:
        for number, item in enumerate(items, start=1):
            try:
                picture = open_picture(item.path, reading)
                if segmenter.is_cached(picture):
                    there += 1
                else:
                    segmenter.embed(picture)
            except ImageError as error:
                failed += 1
                say_skipped(item.name, str(error))
            follow(number, len(items))
    print(f"{len(items) - there - failed} embedded, {there} there before, {failed} failed: {folder}", file=sys.stderr)
    if failed:
        raise click.exceptions.Exit(1)


_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def read_size(text: str) -> int:
    """Reads a size like 500MB.

    Raises:
        InputError: it is none.
    """
    plain = text.strip().upper()
    unit = next((unit for unit in ("KB", "MB", "GB", "TB") if plain.endswith(unit)), "")
    try:
        size = float(plain.removesuffix(unit)) * _UNITS[unit]
    except ValueError:
        size = 0.0
    if not 1 <= size <= 10**18:
        raise InputError(f"A size is a number with KB, MB, GB or TB, like 20GB; got {text!r}.")
    return int(size)
