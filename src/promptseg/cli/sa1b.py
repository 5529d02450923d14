"""`promptseg engine sa1b`: SA-1B as a data set: validate, sample, merge, deduplicate, split, statistics."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptseg.cli.command import Command, Group, argument
from promptseg.cli.options import PATH
from promptseg.errors import InputError

if TYPE_CHECKING:
    from promptseg.engine.statistics import SetStatistics

_source = argument("source", "A folder, tar shards or Parquet files, here or at an address (s3://bucket/sa1b).")
_output = click.option("-o", "--output", type=PATH, required=True, help="A new folder.", metavar="DIR")
_seed = click.option("--seed", default=0, help="Of the chance.")
_as = click.option("--as", "container", default="folder", help="folder, tar (shards), or parquet (records only).")
_per_shard = click.option("--per-shard", default=10_000, help="Pictures of one shard.")


@click.group(cls=Group)
def sa1b() -> None:
    """Reads, checks, changes and counts data sets in the layout of SA-1B."""


@sa1b.command("validate", cls=Command)
@_source
@click.option("--records-only", is_flag=True, help="Do not open the pictures.")
def validate(source: str, records_only: bool) -> None:
    """Checks every record and picture; faults go to stderr, and the exit code is 1 if there are any."""
    from promptseg.engine.shards.changes import validate as run

    found = run(
        source, pictures=not records_only, on_fault=lambda _, text: print(f"promptseg: {text}", file=sys.stderr)
    )
    print(
        f"{found.pictures:,} pictures, {found.masks:,} masks, {found.faulty:,} faulty records, "
        f"{found.without_picture:,} without a picture"
    )
    if found.faulty:
        raise click.exceptions.Exit(1)


@sa1b.command("sample", cls=Command)
@_source
@click.option("--count", type=int, help="So many pictures.")
@click.option("--share", type=float, help="Or this share of them.")
@_output
@_as
@_per_shard
@_seed
def sample(
    source: str, count: int | None, share: float | None, output: Path, container: str, per_shard: int, seed: int
) -> None:
    """Writes a random part, the same every time."""
    from promptseg.engine.shards.changes import sample as run
    from promptseg.engine.shards.writing import write_sa1b_set

    written = write_sa1b_set(run(source, count=count, share=share, seed=seed), output, container, per_shard=per_shard)  # type: ignore[arg-type]
    print(f"{output}: {written:,} pictures")


@sa1b.command("merge", cls=Command)
@argument("sources", "Data sets, as in the other verbs.", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--renumber", is_flag=True, help="Give all pictures and masks new numbers.")
@click.option("--deduplicate", "unique", is_flag=True, help="Leave out pictures whose content came before.")
@_output
@_as
@_per_shard
def merge(sources: tuple[str, ...], renumber: bool, unique: bool, output: Path, container: str, per_shard: int) -> None:
    """Writes several data sets (or one, in another container) as one."""
    from promptseg.engine.shards.changes import deduplicate
    from promptseg.engine.shards.changes import merge as run
    from promptseg.engine.shards.writing import write_sa1b_set

    found = run(sources, renumber=renumber)
    written = write_sa1b_set(deduplicate(found) if unique else found, output, container, per_shard=per_shard)  # type: ignore[arg-type]
    print(f"{output}: {written:,} pictures")


@sa1b.command("split", cls=Command)
@_source
@click.option("--shares", default="train=0.9,val=0.1", help="Names and shares of the parts.")
@_output
@_as
@_per_shard
@_seed
def split(source: str, shares: str, output: Path, container: str, per_shard: int, seed: int) -> None:
    """Writes parts into folders of their names; a picture's part follows from its name."""
    from promptseg.engine.shards.changes import split_of
    from promptseg.engine.shards.entries import entries
    from promptseg.engine.shards.writing import check_empty, write_sa1b_set

    parts = _shares(shares)
    check_empty(output)
    for part in parts:
        chosen = (each for each in entries(source) if split_of(each.name, parts, seed) == part)
        written = write_sa1b_set(chosen, output / part, container, per_shard=per_shard)  # type: ignore[arg-type]
        print(f"{output / part}: {written:,} pictures")


def _shares(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        try:
            found[name] = float(share)
        except ValueError:
            raise InputError(
                f"--shares expects NAME=SHARE,NAME=SHARE, such as train=0.9,val=0.1, got {text!r}."
            ) from None
        if not name.isidentifier():
            raise InputError(f"A part's name is one plain word, got {name!r}.")
    return found


@sa1b.command("statistics", cls=Command)
@argument("sources", "Labelled sets, with names for the plots.", nargs=-1, required=True, metavar="[NAME=]SOURCE...")
@click.option("-o", "--output", type=PATH, help="A page with plots; its numbers go beside it.", metavar="FILE")
def statistics(sources: tuple[str, ...], output: Path | None) -> None:
    """Counts masks, sizes, concavity and centres of data sets in any layout that is read, and compares them."""
    from promptseg.engine.report import EngineReport

    page = EngineReport(title="Masks", sets=[statistics_of(text) for text in sources])
    if output is None:
        print(json.dumps(page.to_json()["sets"], indent=1))
        return
    for path in page.write(output):
        print(path)


def statistics_of(text: str) -> "SetStatistics":
    """Counts a data set, said as SOURCE or NAME=SOURCE."""
    from promptseg.engine.shards.changes import source_name
    from promptseg.engine.statistics import masks_in
    from promptseg.engine.statistics import statistics as run

    name, equals, place = text.partition("=")
    if not equals or Path(text).exists() or "://" in name:
        name, place = "", text
    return run(masks_in(place), name or source_name(place))
