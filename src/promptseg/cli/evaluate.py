"""`promptseg evaluate TASK DATASET`: the papers' protocols as one command."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from promptseg.cli import options
from promptseg.cli.progress import progress_bar
from promptseg.errors import InputError
from promptseg.models.registry import DEFAULT_MODEL

_OWN = {
    "clicks": "--clicks",
    "thresholds": "--thresholds",
    "sentences": "--sentences",
    "together": "--together",
    "protocol": "--protocol",
    "detections": "--detections",
}
"""Settings that only some tasks have, and their options."""


def evaluate(
    task: Annotated[
        str | None, typer.Argument(help="What to measure; without it, all tasks are listed.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Argument(help="A folder in a known layout (docs/evaluate.md lists them).")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for TASK.html, .json, .csv and .md, and for answers: a run that was stopped goes on.",
            metavar="DIR",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many objects (or pictures, videos), evenly strided.")
    ] = None,
    min_area: Annotated[int | None, typer.Option(help="Leave smaller objects out (pixels).")] = None,
    layout: Annotated[
        str | None, typer.Option(help="The dataset's layout, where it is not recognised.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="The part of the dataset; default: the validation part.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by", help="Also split the results by this column, such as class or size.", metavar="COLUMN"
        ),
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with a column picture, perhaps object, and columns for --by.", metavar="FILE"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn at random.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that share the pictures.")] = 1,
    way: Annotated[
        list[str] | None,
        typer.Option(
            "--way", help="everything: fast, exact, proposals; video: box, reference.", metavar="WAY"
        ),
    ] = None,
    clicks: Annotated[
        int | None, typer.Option(help="clicks: the most clicks per object; default 20.")
    ] = None,
    thresholds: Annotated[
        int | None, typer.Option(help="edges: thresholds on the curve; default 33.")
    ] = None,
    points_per_side: Annotated[int, typer.Option(help="edges: points along each side of our grid.")] = 16,
    sentences: Annotated[
        str | None, typer.Option(help="referring: first (as SEEM's evaluation) or all sentences.")
    ] = None,
    together: Annotated[
        bool | None, typer.Option("--together", help="referring: all phrases of a picture in one go.")
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="boxes, instances: coco or lvis.")] = None,
    detections: Annotated[
        Path | None,
        typer.Option(
            help="boxes: a COCO results file of boxes to prompt with, instead of true boxes.", metavar="FILE"
        ),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            "--peer",
            help="Also let a peer take part: grabcut, segment-anything[:vit_b], mobilesam-mirror, promptseg.",
            metavar="NAME",
        ),
    ] = None,
    peer_python: Annotated[
        str, typer.Option(help="The Python of the peers' environment; default: this one.", metavar="FILE")
    ] = sys.executable,
    peer_weights: Annotated[str | None, typer.Option(help="The peers' checkpoint.", metavar="FILE")] = None,
    peer_command: Annotated[
        list[str] | None,
        typer.Option(
            help="A program of your own that answers JSON lines (docs/evaluate.md).", metavar="COMMAND"
        ),
    ] = None,
    no_recipe: Annotated[bool, typer.Option("--no-recipe", help="Leave SAM's official recipe out.")] = False,
    model: options.Model = DEFAULT_MODEL,
    weights: options.Weights = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Measures on labelled pictures, by the papers' protocols.

    Without arguments all tasks are listed. Needs: pip install "promptseg[evaluate]".
    """
    from promptseg.evaluate import TASKS, Lineup, PeerCommand, Source, make_task
    from promptseg.evaluate.lineup import named_peer

    if task is None:
        print("\n".join(f"{name:12s} {kind.about}" for name, kind in TASKS.items()))
        raise typer.Exit(2)
    own = {
        "clicks": clicks,
        "thresholds": thresholds,
        "sentences": sentences,
        "together": together,
        "protocol": protocol,
        "detections": None if detections is None else str(detections),
    }
    chosen = _task(task, own, make_task)
    if dataset is None:
        raise InputError(f"evaluate {task} needs a folder of labelled pictures after it.")
    if workers < 1:
        raise InputError(f"--workers must be at least 1, got {workers}.")
    source = Source(
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
        *(named_peer(text, peer_python, peer_weights) for text in peer or ()),
        *(PeerCommand(command=tuple(shlex.split(text))) for text in peer_command or ()),
    ]
    lineup = Lineup(
        task=task,
        model=model,
        weights=weights,
        runtime=runtime,
        precision=precision,
        device=device,
        threads=_threads(threads, workers),
        ways=tuple(way or ()),
        points_per_side=points_per_side,
        peers=tuple(peers),
        recipe=not no_recipe,
    )
    _run(chosen, source, lineup, workers, output, seed, by or ())


def _task(name: str, own: dict[str, Any], make: Any) -> Any:
    try:
        return make(name, **own)
    except InputError as error:
        for setting, option in _OWN.items():
            if f"has no setting '{setting}'" in str(error):
                raise InputError(f"{option} is not for evaluate {name}.") from error
        raise


def _threads(threads: int | None, workers: int) -> int | None:
    """Shares the processors out among the workers."""
    if threads is not None or workers == 1:
        return threads
    from promptseg.runtimes.factory import default_threads

    return max(1, default_threads() // workers)


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
    origin = provenance(lineup.model, found.settings[0])
    print(to_table(summary, origin))
    if output is not None:
        for file in write_report(output, summary, origin):
            print(file, file=sys.stderr)
