"""Changing SA-1B as a stream: sample, merge, deduplicate, split, validate. Only names and digests are remembered."""

import hashlib
import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from promptseg.engine.records import chosen_by_chance
from promptseg.engine.shards.entries import SA1BEntry, entries
from promptseg.engine.shards.writing import renamed
from promptseg.errors import FormatError, InputError, PromptsegError
from promptseg.images import Image

Source: TypeAlias = str | os.PathLike[str]


def sample(
    source: Source, *, count: int | None = None, share: float | None = None, seed: int = 0
) -> Iterator[SA1BEntry]:
    """Yields a random part of a data set: the same pictures every time, whatever shards they lie in.

    Args:
        source: as in `entries`.
        count: how many pictures, or
        share: which part of them.
        seed: of the chance.

    Raises:
        InputError: neither or both are given, or one is out of range.
    """
    if (count is None) == (share is None):
        raise InputError("Give either how many pictures to sample, or which share of them.")
    if count is not None and count < 1:
        raise InputError(f"A sample has at least 1 picture, got {count}.")
    if share is not None and not 0 < share <= 1:
        raise InputError(f"A share is above 0 and at most 1, got {share}.")
    if count is not None:
        chances = ((chosen_by_chance(seed, "sample", each.name), each.name) for each in entries(source))
        chosen = {name for _, name in heapq.nsmallest(count, chances)}
        yield from (entry for entry in entries(source) if entry.name in chosen)
    else:
        yield from (each for each in entries(source) if chosen_by_chance(seed, "sample", each.name) < (share or 0))


def merge(sources: Sequence[Source], *, renumber: bool = False) -> Iterator[SA1BEntry]:
    """Yields the pictures of several data sets, one set after the other.

    Args:
        sources: as in `entries`.
        renumber: gives all pictures and masks new numbers, counted from 1, so that none are there twice.

    Raises:
        InputError: two pictures have one name, and are not renumbered.
    """
    seen: set[bytes] = set()
    for number, entry in enumerate((each for source in sources for each in entries(source)), start=1):
        if renumber:
            yield renamed(entry, number)
            continue
        key = _digest(entry.name.encode("utf-8", "surrogateescape"))
        if key in seen:
            raise InputError(f"Two pictures are called {entry.name}. Give all of them new numbers with --renumber.")
        seen.add(key)
        yield entry


def deduplicate(found: Iterable[SA1BEntry]) -> Iterator[SA1BEntry]:
    """Yields pictures whose content has not come before.

    A record without a picture counts by its masks; one that has none of these either stays, since nothing tells.
    """
    seen: set[bytes] = set()
    for entry in found:
        if entry.picture is not None:
            key = _digest(entry.picture())
        else:
            masks = entry.read().segments.masks
            if not masks:
                yield entry
                continue
            key = _digest("\n".join(sorted(str(mask.to_coco()["counts"]) for mask in masks)).encode())
        if key not in seen:
            seen.add(key)
            yield entry


def split_of(name: str, shares: Mapping[str, float], seed: int = 0) -> str:
    """Returns the part that a picture belongs to: it follows from the name, so sets that grow keep their parts.

    Args:
        name: the picture's.
        shares: of each part; they add up to 1.
        seed: of the chance.

    Raises:
        InputError: the shares do not add up to 1, or one is out of range.
    """
    if not shares or min(shares.values()) < 0 or not abs(sum(shares.values()) - 1) <= 1e-6:  # not even of NaN
        raise InputError(f"The shares of a split add up to 1, got {dict(shares)}.")
    chance, edge = chosen_by_chance(seed, "split", name), 0.0
    for part, share in shares.items():
        edge += share
        if chance < edge:
            return part
    return list(shares)[-1]


@dataclass(slots=True)
class Validation:
    """What was found in a data set.

    Attributes:
        pictures: records.
        masks: in the good ones.
        without_picture: records that have no picture beside them.
        faults: what is wrong, by record; at most `MOST_FAULTS` are kept.
        faulty: how many are wrong.
    """

    pictures: int = 0
    masks: int = 0
    without_picture: int = 0
    faults: dict[str, str] = field(default_factory=dict[str, str])
    faulty: int = 0


MOST_FAULTS = 100


def validate(
    source: Source, *, pictures: bool = True, on_fault: Callable[[str, str], None] | None = None
) -> Validation:
    """Checks every record: its shape, masks, areas, boxes and ids, that no number is there twice, and its picture.

    Args:
        source: as in `entries`.
        pictures: whether pictures are opened, to see that they can be read and have the size of the record.
        on_fault: called with each faulty record and what is wrong.

    Raises:
        InputError: there is nothing of the kind.
        FormatError: a file cannot be read on.
    """
    found, numbers = Validation(), set[int]()
    for entry in entries(source):
        found.pictures += 1
        try:
            found.masks += _check(entry, numbers, pictures)
        except PromptsegError as error:
            found.faulty += 1
            if len(found.faults) < MOST_FAULTS:
                found.faults[entry.where] = str(error)
            if on_fault is not None:
                on_fault(entry.where, str(error))
        found.without_picture += entry.picture is None
    return found


def _check(entry: SA1BEntry, numbers: set[int], pictures: bool) -> int:
    record = entry.read()
    if record.image_id in numbers:
        raise FormatError(f"{entry.where}: another picture has the number {record.image_id}.")
    numbers.add(record.image_id)
    for mask in record.segments.masks:
        if not mask.area:
            raise FormatError(f"{entry.where}: a mask is empty.")
    if pictures and entry.picture is not None:
        image = Image.open(entry.picture(), name=entry.name)
        if image.size != record.segments.size:
            raise FormatError(
                f"{entry.where}: the picture has {image.size.width} x {image.size.height} pixels, the record says "
                f"{record.segments.size.width} x {record.segments.size.height}."
            )
    return len(record.segments)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=12).digest()


def source_name(source: Source) -> str:
    """Returns what a data set is called in a report."""
    return Path(os.fspath(source)).name or os.fspath(source)
