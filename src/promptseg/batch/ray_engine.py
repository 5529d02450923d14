"""The same run on Ray Data: `map_batches` of the same `Labeler` over an actor pool, on one machine or on a cluster.

Source and output may be local (on a cluster: shared) folders or addresses of any filesystem that Ray reads through
pyarrow (`s3://`, `gs://`, `hdfs://`, `file://`). Records are written where they are made; only names and counts come
back.
"""

import logging
import os
import posixpath
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from promptseg import errors
from promptseg.batch.labeler import Columns, Labeler, LabelerSettings
from promptseg.batch.manifest import Entry, Manifest, picture_mark
from promptseg.batch.pool import LabelerAnswer, MakeLabeler
from promptseg.batch.run import BatchSummary, OnPicture, keep, sweep, tell, undone
from promptseg.batch.sources import Item, find_pictures, name_outputs
from promptseg.errors import InputError, OutputError, PromptsegError, UnavailableError
from promptseg.files import write_bytes
from promptseg.images import PICTURE_SUFFIXES

_PICTURES_PER_BLOCK = 16
"""What an actor takes at a time, and does again after it died."""


def is_address(place: str) -> bool:
    """Returns whether a source or output is an address like s3://bucket/folder, not a local path."""
    return "://" in place


def label_with_ray(
    source: str,
    output: str,
    settings: LabelerSettings,
    *,
    actors: int = 1,
    filesystem: Any = None,
    overwrite: bool = False,
    on_outcome: OnPicture | None = None,
    make: MakeLabeler = Labeler,
) -> BatchSummary:
    """Finds all masks of many pictures with Ray and writes one SA-1B file for each.

    Uses the running Ray, else the cluster that RAY_ADDRESS names, else starts Ray on this machine. A run can be
    repeated to do what is missing: a local output folder has a manifest as in `label_pictures`; at an address, a
    picture is done when its record is there.

    Args:
        source: a folder, glob, list or picture (see `find_pictures`), or the address of a folder.
        output: a folder or an address.
        settings: the model and the options. Each actor computes with the engine's threads, by default one.
        actors: how many labelers work at a time.
        filesystem: the pyarrow filesystem of the addresses; by default the address says it.
        overwrite: as in `label_pictures`; at an address nothing is known of replaced pictures.
        on_outcome: called after each picture.
        make: the class of the labelers.

    Raises:
        UnavailableError: Ray is not installed.
        InputError: there are no pictures, the cluster is too small, or the output holds records of other settings.
        OutputError: as in `label_pictures`.
    """
    if actors < 1:
        raise InputError(f"There must be at least 1 actor, got {actors}.")
    _import_ray()
    remote = _Place(source, filesystem) if is_address(source) else None
    items = find_pictures(source) if remote is None else remote.pictures()
    settings = _everywhere(settings)
    with nullcontext() if is_address(output) else Manifest(output, settings.essence()) as manifest:
        if manifest is None:
            target = _Place(output, filesystem)
            shown = output
            outputs, there = name_outputs(item.name for item in items), target.files()
            pending = [item for item in items if outputs[item.name] not in there]
        else:
            target, shown = str(manifest.folder.absolute()), manifest.folder
            outputs = manifest.outputs(item.name for item in items)
            sweep(manifest.folder, (outputs[item.name] for item in items))
            pending = undone(manifest, items, outputs, overwrite=overwrite)
        summary, paths = BatchSummary(skipped=len(items) - len(pending)), {item.name: item.path for item in pending}
        for entry in _run(pending, remote, target, outputs, settings, actors, make):
            if manifest is not None:
                manifest.add(replace(entry, picture="" if entry.error else picture_mark(paths[entry.name])))
            progress = (summary.skipped + summary.labelled + len(summary.failed) + 1, len(items))
            tell(entry, shown, progress, summary, on_outcome)
        return summary


def _run(
    pending: Sequence[Item],
    remote: "_Place | None",
    target: "_Place | str",
    outputs: Mapping[str, str],
    settings: LabelerSettings,
    actors: int,
    make: MakeLabeler,
) -> Generator[Entry]:
    """Yields an entry per picture as the cluster finishes them."""
    if not pending:
        return
    ray = _import_ray()
    _connect(ray, actors, settings.engine.threads or 1)
    rows = [{"name": item.name, "path": item.path if remote else os.path.abspath(item.path)} for item in pending]
    # Blocks are small, since a block is what is lost with an actor, but as many as there are actors at least.
    blocks = min(len(rows), max(2 * actors, len(rows) // _PICTURES_PER_BLOCK))
    odd = {item.name: outputs[item.name] for item in pending if outputs[item.name] != _usual(item.name)}
    with _quiet(ray):
        pictures = ray.data.from_items(rows, override_num_blocks=blocks)
        if remote is not None:
            pictures = pictures.map_batches(_read, fn_args=(remote,), batch_size=1, num_cpus=0)
        labelled = pictures.map_batches(
            make,
            fn_constructor_args=(settings,),
            batch_size=1,
            num_cpus=settings.engine.threads or 1,
            compute=ray.data.ActorPoolStrategy(size=min(actors, blocks)),
        )
        # Reading and writing reserve no processor: the actors may have taken them all.
        written = labelled.map_batches(_write, fn_args=(target, odd), batch_size=1, num_cpus=0)
        try:
            for row in written.iter_rows():
                yield Entry(row["name"], row["output"], int(row["size"]), int(row["masks"]), row["error"])
        except ray.exceptions.RayError as error:
            raise _cause(error) from error


def answers_with_ray(
    settings: LabelerSettings, items: Sequence[Item], actors: int, make: MakeLabeler
) -> Generator[LabelerAnswer]:
    """Labels items with Ray and yields the answers as the cluster finishes them; the labelers keep what they make.

    Args:
        settings: what the labelers are made of; paths in it are seen by all machines.
        items: what to label: few, since the driver holds them, and each much work.
        actors: how many labelers work at a time.
        make: the class of the labelers.

    Raises:
        UnavailableError: Ray is not installed.
        InputError: the cluster is too small.
        PromptsegError: whatever a labeler raises.
    """
    ray = _import_ray()
    settings = _everywhere(settings)
    threads = settings.engine.threads or 1
    _connect(ray, actors, threads)
    rows = [{"name": item.name, "path": item.path} for item in items]
    with _quiet(ray):
        labelled = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            make,
            fn_constructor_args=(settings,),
            batch_size=1,
            num_cpus=threads,
            compute=ray.data.ActorPoolStrategy(size=min(actors, len(rows))),
        )
        known = {item.name: item for item in items}
        try:
            for row in labelled.iter_rows():
                yield LabelerAnswer(known[row["name"]], row["record"], row["error"])
        except ray.exceptions.RayError as error:
            raise _cause(error) from error


def _read(batch: Columns, place: "_Place") -> dict[str, Any]:
    """Ray task: the bytes of pictures; one that cannot be read is an error of its own."""
    content, problems = np.empty(len(batch["path"]), object), list[str]()
    for index, path in enumerate(batch["path"]):
        try:
            content[index], problem = place.read(str(path)), ""
        except OSError as error:
            content[index], problem = b"", f"{path} cannot be read: {error}"
        problems.append(problem)
    return {"name": list(batch["name"]), "bytes": content, "error": problems}


def _write(batch: Columns, target: "_Place | str", odd: Mapping[str, str]) -> dict[str, list[Any]]:
    """Ray task: puts records into their places and returns what the manifest needs."""
    entries = [
        _put(LabelerAnswer(Item(str(name), ""), str(record), str(error)), target, odd.get(name) or _usual(name))
        for name, record, error in zip(batch["name"], batch["record"], batch["error"], strict=True)
    ]
    columns = [field.name for field in fields(Entry)]
    return {column: [getattr(entry, column) for entry in entries] for column in columns}


def _put(answer: LabelerAnswer, target: "_Place | str", output: str) -> Entry:
    write = partial(write_bytes, Path(target) / output) if isinstance(target, str) else partial(target.write, output)
    return keep(write, output, answer)


def _usual(name: str) -> str:
    return next(iter(name_outputs([name]).values()))


class _Place:
    """A folder at an address. Sent to the machines of the cluster, which open the filesystem for themselves."""

    def __init__(self, address: str, filesystem: Any = None) -> None:
        self.address = address
        self._filesystem = filesystem

    def pictures(self) -> list[Item]:
        """Returns the pictures below the folder."""
        _, root = self._open()
        paths = [path for path in self._walk() if posixpath.splitext(path)[1].lower() in PICTURE_SUFFIXES]
        if not paths:
            raise InputError(f"There are no pictures at {self.address}.")
        return sorted((Item(posixpath.relpath(path, root), path) for path in paths), key=lambda item: item.name)

    def files(self) -> set[str]:
        """Returns the paths of all files below the folder, relative to it."""
        _, root = self._open()
        return {posixpath.relpath(path, root) for path in self._walk()}

    def read(self, path: str) -> bytes:
        with self._open()[0].open_input_stream(path) as file:
            return file.read()

    def write(self, name: str, content: bytes) -> None:
        """Writes a file that appears only when it is whole."""
        filesystem, root = self._open()
        path = posixpath.join(root, name)
        # Object stores show a file when it is closed; elsewhere it is renamed.
        first = path if filesystem.type_name in ("s3", "gcs", "abfs") else f"{path}.part"
        try:
            filesystem.create_dir(posixpath.dirname(path), recursive=True)
            with filesystem.open_output_stream(first) as file:
                file.write(content)
            if first != path:
                filesystem.move(first, path)
        except OSError as error:
            raise OutputError(f"Cannot write {path}: {error}.") from error

    def _walk(self) -> Iterable[str]:
        from pyarrow.fs import FileSelector, FileType

        filesystem, root = self._open()
        found = filesystem.get_file_info(FileSelector(root, allow_not_found=True, recursive=True))
        return [file.path for file in found if file.type == FileType.File]

    def _open(self) -> tuple[Any, str]:
        from pyarrow.fs import FileSystem

        if self._filesystem is not None:
            return self._filesystem, self.address.partition("://")[2].rstrip("/")
        try:
            filesystem, root = FileSystem.from_uri(self.address)
        except (ValueError, OSError) as error:
            raise InputError(f"{self.address} is no address that can be read here: {error}.") from error
        return filesystem, root.rstrip("/")


def _import_ray() -> Any:
    try:
        import_module("ray.data")
    except ImportError as error:
        raise UnavailableError.extra("Ray Data", "ray") from error
    return import_module("ray")


def _everywhere(settings: LabelerSettings) -> LabelerSettings:
    """Makes paths absolute, since actors work elsewhere, and gives each actor its threads."""

    def absolute(path: str | Path | None) -> str | None:
        return None if path is None else os.path.abspath(path)

    engine = settings.engine
    return replace(
        settings,
        engine=replace(
            engine, weights=absolute(engine.weights), cache=absolute(engine.cache), threads=engine.threads or 1
        ),
    )


def _connect(ray: Any, actors: int, threads: int) -> None:
    if not ray.is_initialized():
        # A local Ray gets a logical processor more than the actors take, for Ray's own work.
        local = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": actors * threads + 1}
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
    there = ray.cluster_resources().get("CPU", 0)
    if there < actors * threads:
        raise InputError(
            f"{actors} actors of {threads} threads need {actors * threads} processors; Ray has {there:g}. "
            "Use fewer workers or threads, or a larger cluster."
        )


@contextmanager
def _quiet(ray: Any) -> Generator[None]:
    """Keeps Ray Data's own progress bars and notices off the terminal."""
    context, logger = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, logger.level
    context.enable_progress_bars = False
    logger.setLevel(logging.CRITICAL)  # errors come as exceptions
    try:
        yield
    finally:
        context.enable_progress_bars = before[0]
        logger.setLevel(before[1])


def _cause(error: BaseException) -> PromptsegError:
    """Finds in the text of Ray's error, where tracebacks are nested in one another, what a labeler or writer raised."""
    text = str(error)
    ours = re.findall(r"^promptseg\.errors\.(\w+): (.+)$", text, re.MULTILINE)
    for name, message in reversed(ours):
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, PromptsegError):
            return kind(message)
    return PromptsegError(f"The Ray run failed: {text.strip().splitlines()[-1]}")
