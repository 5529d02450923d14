"""`promptseg evaluate TASK DATASET`: the papers' protocols as one command."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from promptseg.cli import options
from promptseg.cli.command import Command, argument
from promptseg.cli.progress import progress_bar
from promptseg.errors import InputError
from promptseg.runtimes.options import EngineOptions

_OWN = {
    "clicks": "--clicks",
    "thresholds": "--thresholds",
    "sentences": "--sentences",
    "together": "--together",
    "protocol": "--protocol",
    "detections": "--detections",
}
"""Settings that only some tasks have, and their options."""


@click.command(cls=Command)
@argument("task", "What to measure; without it, all tasks are listed.", required=False)
@argument(
    "dataset",
    "A folder in a known layout (docs/evaluate.md lists them).",
    required=False,
    type=options.PATH,
)
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
    "--by",
    multiple=True,
    help="Also split the results by this column, such as class or size.",
    metavar="COLUMN",
)
@click.option(
    "--metadata",
    type=options.PATH,
    help="CSV file with a column picture, perhaps object, and columns for --by.",
    metavar="FILE",
)
@click.option("--seed", default=0, help="Of all that is drawn at random.")
@click.option("--workers", default=1, help="Processes that share the pictures.")
@click.option(
    "--way",
    multiple=True,
    help="everything: fast, exact, proposals; video: box, reference.",
    metavar="WAY",
)
@click.option("--clicks", type=int, help="clicks: the most clicks per object; default 20.")
@click.option("--thresholds", type=int, help="edges: thresholds on the curve; default 33.")
@click.option("--points-per-side", default=16, help="edges: points along each side of our grid.")
@click.option("--sentences", help="referring: first (as SEEM's evaluation) or all sentences.")
@click.option("--together", is_flag=True, help="referring: all phrases of a picture in one go.")
@click.option("--protocol", help="boxes, instances: coco or lvis.")
@click.option(
    "--detections",
    type=options.PATH,
    help="boxes: a COCO results file of boxes to prompt with, instead of true boxes.",
    metavar="FILE",
)
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
    way: tuple[str, ...],
    clicks: int | None,
    thresholds: int | None,
    points_per_side: int,
    sentences: str | None,
    together: bool,
    protocol: str | None,
    detections: Path | None,
    peer: tuple[str, ...],
    peer_python: str,
    peer_weights: str | None,
    peer_command: tuple[str, ...],
    no_recipe: bool,
    engine: EngineOptions,
) -> None:
    """Measures on labelled pictures, by the papers' protocols.

    Without arguments all tasks are listed. Needs: pip install "promptseg[evaluate]".
    """
    from promptseg.evaluate import TASKS, DatasetSource, Lineup, PeerCommand, make_task
    from promptseg.evaluate.lineup import named_peer

    if task is None:
        print("\n".join(f"{name:12s} {kind.about}" for name, kind in TASKS.items()))
        raise click.exceptions.Exit(2)
    own = {
        "clicks": clicks,
        "thresholds": thresholds,
        "sentences": sentences,
        "together": together or None,
        "protocol": protocol,
        "detections": None if detections is None else str(detections),
    }
    chosen = _task(task, own, make_task)
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


def _task(name: str, own: dict[str, Any], make: Any) -> Any:
    try:
        return make(name, **own)
    except InputError as error:
        for setting, option in _OWN.items():
            if f"has no setting '{setting}'" in str(error):
                raise InputError(f"{option} is not for evaluate {name}.") from error
        raise


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
