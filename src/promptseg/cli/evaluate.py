"""`promptseg evaluate`: the papers' protocols as commands."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from promptseg.cli import options
from promptseg.cli.progress import progress_bar
from promptseg.errors import InputError

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


@evaluate_app.command("edges")
def edges(
    dataset: Annotated[Path, typer.Argument(help="BSDS500, or images/ with truth/*.npz.")],
    limit: Annotated[int | None, typer.Option(help="At most so many pictures, evenly strided.")] = None,
    thresholds: Annotated[int, typer.Option(help="Thresholds on the curve of precision and recall.")] = 33,
    points_per_side: Annotated[int, typer.Option(help="Points along each side of our grid.")] = 16,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for edges.json and .md, and for the counts of each picture: a run that was stopped goes on.",
            metavar="DIR",
        ),
    ] = None,
    model: options.Model = "mobile-sam",
    weights: options.Weights = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Edges: ODS, OIS, AP and R50 of the Berkeley boundary benchmark.

    Canny and Sobel take part beside ours. Needs: pip install "promptseg[evaluate]".
    """
    from promptseg.evaluate import provenance
    from promptseg.evaluate.edges import Canny, SegmenterEdges, Sobel, open_edge_dataset, run_edges
    from promptseg.evaluate.edges.report import edges_table, edges_to_json
    from promptseg.files import write_bytes
    from promptseg.segment.segmenter import Segmenter
    from promptseg.segment.sweep import check_points

    samples = open_edge_dataset(dataset, limit=limit)
    check_points(points_per_side)
    segmenter = Segmenter(
        model, weights=weights, runtime=runtime, precision=precision, device=device, threads=threads
    )
    with progress_bar("edge maps") as follow:
        report = run_edges(
            samples,
            [SegmenterEdges(segmenter, points_per_side), Canny(), Sobel()],
            dataset=dataset.resolve().name,
            count=thresholds,
            store=None if output is None else output / "edges",
            progress=follow,
        )
    origin = provenance(segmenter.model, f"{segmenter.runtime.name} {segmenter.runtime.precision}")
    table = edges_table(report, origin)
    print(table)
    if output is not None:
        write_bytes(output / "edges.md", table.encode())
        write_bytes(
            output / "edges.json", (json.dumps(edges_to_json(report, origin), indent=1) + "\n").encode()
        )


@evaluate_app.command("everything")
def everything(
    dataset: Annotated[
        Path, typer.Argument(help="Folder in a known layout (COCO, DAVIS, VOC, instances, pairs).")
    ],
    way: Annotated[
        list[str] | None,
        typer.Option("--way", help="fast, exact or proposals. May be repeated.", metavar="WAY"),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many pictures, evenly strided.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for everything.json and .md.", metavar="DIR"),
    ] = None,
    model: options.Model = "mobile-sam",
    weights: options.Weights = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Automatic masks: average recall of the labelled objects (AR@100, AR@1000, by size), and time."""
    from promptseg.evaluate import open_dataset, provenance
    from promptseg.evaluate.everything import first_pictures, recall_table, recall_to_json, run_everything
    from promptseg.evaluate.finders import FINDERS, finders
    from promptseg.files import write_bytes
    from promptseg.segment.segmenter import Segmenter

    ways = way or ["fast", "exact"]
    unknown = [name for name in ways if name not in FINDERS]
    if unknown:
        raise InputError(f"Unknown way {unknown[0]!r}: expected one of {', '.join(FINDERS)}.")
    data = first_pictures(open_dataset(dataset), limit)
    segmenter = Segmenter(
        model, weights=weights, runtime=runtime, precision=precision, device=device, threads=threads
    )
    with progress_bar("pictures") as follow:
        report = run_everything(data, finders(segmenter, ways), progress=follow)
    origin = provenance(segmenter.model, f"{segmenter.runtime.name} {segmenter.runtime.precision}")
    table = recall_table(report, origin)
    print(table)
    if output is not None:
        write_bytes(output / "everything.md", table.encode())
        write_bytes(
            output / "everything.json", (json.dumps(recall_to_json(report, origin), indent=1) + "\n").encode()
        )
