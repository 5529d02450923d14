"""`promptseg evaluate TASK DATASET`: the papers' protocols as one command."""

import functools
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from promptseg.cli import options
from promptseg.cli.command import Command, argument
from promptseg.cli.progress import progress_bar
from promptseg.errors import InputError
from promptseg.runtimes.options import EngineOptions


class Evaluate(Command):
    """The verb; what only some tasks have becomes options of it, once it is asked for."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Returns the arguments and options, those of the tasks before those about peers."""
        known = super().get_params(ctx)
        place = [each.name for each in known].index("peer")
        return [*known[:place], *_options_of_tasks(), *known[place:]]


@functools.cache
def _options_of_tasks() -> tuple[click.Option, ...]:
    """Makes --way, and an option of each field of a task that is one."""
    from promptseg.evaluate.catalogue import TASKS, cli_options

    ways = "; ".join(f"{name}: {', '.join(task.ways)}" for name, task in TASKS.items() if task.ways)
    way = click.Option(["--way"], multiple=True, help=f"{ways}.", metavar="WAY")
    owners: dict[str, list[str]] = {}
    for name, task in TASKS.items():
        for option in cli_options(task):
            owners.setdefault(option, []).append(name)
    return way, *(_option(option, names) for option, names in owners.items())


def _option(name: str, tasks: list[str]) -> click.Option:
    from promptseg.evaluate.catalogue import TASKS, cli_options

    about, value = cli_options(TASKS[tasks[0]])[name]
    (default,) = (field.default for field in fields(TASKS[tasks[0]]) if field.name == name)  # type: ignore[arg-type]
    about = f"{', '.join(tasks)}: {about}"
    if isinstance(default, bool):
        return click.Option([f"--{name}"], is_flag=True, help=f"{about}.")
    if isinstance(default, int):
        return click.Option([f"--{name}"], type=int, help=f"{about}; default {default}.")
    return click.Option([f"--{name}"], help=f"{about}.", metavar=value)


@click.command(cls=Evaluate)
@argument("task", "What to measure; without it, all tasks are listed.", required=False)
@argument("dataset", "A folder in a known layout (docs/evaluate.md lists them).", required=False, type=options.PATH)
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    help="Folder for TASK.html, .json, .csv and .md, and for answers: a run that was stopped goes on.",
    metavar="DIR",
)
@click.option("--limit", type=int, help="At most so many objects (or pictures, videos), evenly strided.")
@click.option("--min-area", type=int, help="Leave smaller objects out (pixels).")
@click.option("--layout", help="The dataset's layout, where it is not recognised.")
@click.option("--split", help="The part of the dataset; default: the validation part.")
@click.option(
    "--by", multiple=True, help="Also split the results by this column, such as class or size.", metavar="COLUMN"
)
@click.option(
    "--metadata",
    type=options.PATH,
    help="CSV file with a column picture, perhaps object, and columns for --by.",
    metavar="FILE",
)
@click.option("--seed", default=0, help="Of all that is drawn at random.")
@click.option("--workers", default=1, help="Processes that share the pictures.")
@click.option("--points-per-side", default=16, help="edges: points along each side of our grid.")
@click.option(
    "--peer",
    multiple=True,
    help="Also let a peer take part: grabcut, segment-anything[:vit_b], mobilesam-mirror, promptseg.",
    metavar="NAME",
)
@click.option(
    "--peer-python",
    default=sys.executable,
    help="The Python of the peers' environment; default: this one.",
    metavar="FILE",
)
@click.option("--peer-weights", help="The peers' checkpoint.", metavar="FILE")
@click.option(
    "--peer-command",
    multiple=True,
    help="A program of your own that answers JSON lines (docs/evaluate.md).",
    metavar="COMMAND",
)
@click.option("--no-recipe", is_flag=True, help="Leave SAM's official recipe out.")
@options.engine()
def evaluate(
    task: str | None,
    dataset: Path | None,
    output: Path | None,
    limit: int | None,
    min_area: int | None,
    layout: str | None,
    split: str | None,
    by: tuple[str, ...],
    metadata: Path | None,
    seed: int,
    workers: int,
    points_per_side: int,
    peer: tuple[str, ...],
    peer_python: str,
    peer_weights: str | None,
    peer_command: tuple[str, ...],
    no_recipe: bool,
    engine: EngineOptions,
    way: tuple[str, ...],
    **own: Any,
) -> None:
    """Measures on labelled pictures, by the papers' protocols.

    Without arguments all tasks are listed. Needs: pip install "promptseg[evaluate]".
    """
    from promptseg.evaluate import TASKS, DatasetSource, Lineup, PeerCommand, make_task
    from promptseg.evaluate.catalogue import find_task
    from promptseg.evaluate.lineup import named_peer

    if task is None:
        print("\n".join(f"{name:12s} {kind.about}" for name, kind in TASKS.items()))
        raise click.exceptions.Exit(2)
    chosen = make_task(task, **_own(find_task(task), own))
    if dataset is None:
        raise InputError(f"evaluate {task} needs a folder of labelled pictures after it.")
    if workers < 1:
        raise InputError(f"--workers must be at least 1, got {workers}.")
    source = DatasetSource(
        path=str(dataset),
        truth=chosen.truth,
        layout=layout,
        split=split,
        limit=limit,
        count=chosen.limit,
        min_area=min_area,
        keep_empty=chosen.keeps_empty,
        metadata=None if metadata is None else str(metadata),
    )
    peers = [
        *(named_peer(text, peer_python, peer_weights) for text in peer),
        *(PeerCommand(command=tuple(shlex.split(text))) for text in peer_command),
    ]
    lineup = Lineup(
        task=task,
        engine=engine.shared(workers),
        ways=way,
        points_per_side=points_per_side,
        peers=tuple(peers),
        recipe=not no_recipe,
    )
    _run(chosen, source, lineup, workers, output, seed, by)


def _own(task: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings that were given (a flag that was not is False), which must be the task's."""
    from promptseg.evaluate.catalogue import cli_options

    chosen = {name: value for name, value in given.items() if value is not None and value is not False}
    for name in chosen:
        if name not in cli_options(task):
            raise InputError(f"--{name} is not for evaluate {task.name}.")
    return chosen


def _run(task: Any, source: Any, lineup: Any, workers: int, output: Path | None, seed: int, by: Any) -> None:
    from promptseg.evaluate import provenance, run, run_in_workers, summarise, to_table, write_report

    store = None if output is None else output / "answers" / task.name
    dataset = source()  # finds mistakes before a large model is loaded
    with progress_bar(task.name) as follow:
        if workers > 1:
            found = run_in_workers(task, source, lineup, workers, store=store, seed=seed, progress=follow)
        else:
            contestants = lineup()
            try:
                found = run(task, dataset, contestants, store=store, seed=seed, progress=follow)
            finally:
                for contestant in contestants:
                    contestant.close()
    summary = summarise(found, by=by)
    origin = provenance(lineup.engine.model, found.settings[0])
    print(to_table(summary, origin))
    if output is not None:
        for file in write_report(output, summary, origin):
            print(file, file=sys.stderr)
