"""`promptseg evaluate`: the papers' protocols as commands."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from promptseg.cli import options

evaluate_app = typer.Typer(help="Measures on labelled pictures.", invoke_without_command=True)


@evaluate_app.callback()
def _evaluate(context: typer.Context) -> None:
    """Measures on labelled pictures."""
    options.help_when_alone(context)


@evaluate_app.command("clicks")
def clicks(
    dataset: Annotated[
        Path, typer.Argument(help="Folder in a known layout (COCO, DAVIS, VOC, instances, pairs).")
    ],
    count: Annotated[int, typer.Option("--clicks", help="The most clicks per object.")] = 20,
    limit: Annotated[int | None, typer.Option(help="At most so many objects, evenly strided.")] = None,
    min_area: Annotated[int | None, typer.Option(help="Leave smaller objects out (pixels).")] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for clicks.json, .csv and .md.", metavar="DIR"),
    ] = None,
    model: options.Model = "mobile-sam",
    weights: options.Weights = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Simulated clicks: IoU after 1, 2, 3 and 5, clicks needed for 85 and 90 % (NoC), worst drop.

    SAM's official recipe takes part beside ours, with the same weights. Needs: pip install "promptseg[evaluate]".
    """
    from promptseg.evaluate import open_dataset, provenance, run_clicks, to_table, write_report
    from promptseg.evaluate.contestants import OfficialRecipe, OurSession
    from promptseg.segment.segmenter import Segmenter

    data = open_dataset(dataset, limit=limit, min_area=min_area)
    segmenter = Segmenter(
        model, weights=weights, runtime=runtime, precision=precision, device=device, threads=threads
    )

    def progress(done: int, total: int) -> None:
        print(f"\r{done}/{total} objects", end="" if done < total else "\n", file=sys.stderr, flush=True)

    contestants = [OfficialRecipe(segmenter), OurSession(segmenter)]
    report = run_clicks(data, contestants, clicks=count, progress=progress if sys.stderr.isatty() else None)
    origin = provenance(segmenter.model, f"{segmenter.runtime.name} {segmenter.runtime.precision}")
    print(to_table(report, origin))
    if output is not None:
        for ending in ("json", "csv", "md"):
            write_report(output / f"clicks.{ending}", report, origin)
