"""`promptseg everything`: all masks of a picture, without prompts."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptseg.cli import everything_batch, options
from promptseg.errors import InputError
from promptseg.models.registry import DEFAULT_MODEL

if TYPE_CHECKING:
    from promptseg.masks.segments import Segments
    from promptseg.segment.everything.options import EverythingOptions, Progress
    from promptseg.segment.segmenter import Segmenter

DEFAULT_FORMATS = ["png", "overlay", "records"]


def everything(
    image: Annotated[
        str,
        typer.Argument(
            help="The picture (JPEG, PNG, WebP, TIFF, BMP, GIF); with --format sa1b also a folder, "
            'a glob in quotes ("photos/*.jpg") or a list of paths (@list.txt).'
        ),
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", help="Folder for the results.", metavar="DIR")
    ] = "out",
    format: Annotated[
        list[str] | None,
        typer.Option(
            "-f",
            "--format",
            help="png, index, overlay, cutout, records (SAM's own JSON), coco, yolo, labelme or svg; may be "
            "repeated. Or sa1b alone: one SA-1B file per picture.",
            metavar="FORMAT",
        ),
    ] = None,
    mode: Annotated[str, typer.Option(help="fast, or exact: the official procedure in float32.")] = "fast",
    points_per_side: Annotated[
        int | None,
        typer.Option(help="Points along each side of the grid.  [default: 32]", show_default=False),
    ] = None,
    pred_iou_thresh: Annotated[float, typer.Option(help="Keep masks with a higher predicted IoU.")] = 0.88,
    stability_score_thresh: Annotated[float, typer.Option(help="Keep masks at least this stable.")] = 0.95,
    stability_score_offset: Annotated[
        float, typer.Option(help="Shift of the threshold, in logits, to measure stability.")
    ] = 1.0,
    box_nms_thresh: Annotated[float, typer.Option(help="Box IoU above which the better mask stays.")] = 0.7,
    crop_n_layers: Annotated[
        int, typer.Option(help="Layers of crops to search too; layer i has 4^i crops.")
    ] = 0,
    crop_nms_thresh: Annotated[float, typer.Option(help="The same between masks of different crops.")] = 0.7,
    crop_overlap_ratio: Annotated[
        float, typer.Option(help="Overlap of crops, as a share of the shorter side.  [default: 512/1500]")
    ] = 512 / 1500,
    crop_n_points_downscale_factor: Annotated[
        int, typer.Option(help="Divides the points per side in each further layer.")
    ] = 1,
    point_grids: Annotated[
        Path | None,
        typer.Option(
            help="JSON file of own points, instead of --points-per-side: one list of [x, y] from 0 to 1 per layer.",
            metavar="FILE",
        ),
    ] = None,
    min_mask_region_area: Annotated[int, typer.Option(help="Remove holes and islands of fewer pixels.")] = 0,
    tile: Annotated[
        int | None,
        typer.Option(
            help="Search pictures longer than this many pixels in overlapping tiles of this side too: 1024 is the "
            "model's own size.",
            show_default=False,
        ),
    ] = None,
    tile_overlap: Annotated[
        float, typer.Option(help="Least overlap of tiles, as a share of the tile (1/16 to 1/2).")
    ] = 0.25,
    model: options.Model = DEFAULT_MODEL,
    weights: options.Weights = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "cpu",
    threads: options.Threads = None,
    cache: options.Cache = None,
    workers: Annotated[
        int, typer.Option(help="Pictures at a time, with sa1b: worker processes, or actors in Ray.")
    ] = 1,
    engine: Annotated[str, typer.Option(help="What runs the workers, with sa1b: local or ray.")] = "local",
) -> None:
    """Finds all masks of a picture, or of many pictures, without prompts.

    Writes a coloured overlay, the masks and a JSON file with the score, stability and point of each. The parameters and
    their defaults are those of SAM's automatic mask generator.

    Many pictures become SA-1B files. Run the command again to go on after a stop. Pictures that cannot be read are
    reported and skipped; the exit code is then 1.
    """
    from promptseg.formats.writers import WRITERS
    from promptseg.images import Image
    from promptseg.segment.everything.options import EverythingOptions
    from promptseg.segment.segmenter import Segmenter

    batch = everything_batch.is_wanted(image, format, workers, engine)
    formats = format or DEFAULT_FORMATS
    for name in formats:
        if name not in WRITERS and not batch:
            raise InputError(f"Unknown format {name!r}: expected one of {', '.join(WRITERS)}, sa1b.")
    if point_grids is None and points_per_side is None:
        points_per_side = 32
    settings = EverythingOptions(
        mode=mode,  # type: ignore[arg-type]  # checked there
        points_per_side=points_per_side,
        pred_iou_thresh=pred_iou_thresh,
        stability_score_thresh=stability_score_thresh,
        stability_score_offset=stability_score_offset,
        box_nms_thresh=box_nms_thresh,
        crop_n_layers=crop_n_layers,
        crop_nms_thresh=crop_nms_thresh,
        crop_overlap_ratio=crop_overlap_ratio,
        crop_n_points_downscale_factor=crop_n_points_downscale_factor,
        point_grids=None if point_grids is None else _read_grids(point_grids),
        min_mask_region_area=min_mask_region_area,
        tile=tile,
        tile_overlap=tile_overlap,
    )
    if not batch:
        Image.open(image)  # finds mistakes before a large model is loaded
    if mode == "exact":
        precision = _float32(precision)
    if batch:
        everything_batch.many_pictures(
            image,
            output,
            engine=engine,
            workers=workers,
            options=settings,
            model=model,
            weights=weights,
            runtime=runtime,
            precision=precision,
            device=device,
            threads=threads,
            cache=cache,
        )
        return
    segmenter = Segmenter(
        model,
        weights=weights,
        runtime=runtime,
        precision=precision,
        device=device,
        threads=threads,
        cache=cache,
    )
    segments, paths = one_picture(segmenter, image, settings, Path(output), formats)
    print(f"{len(segments)} masks", file=sys.stderr)
    for path in paths:
        print(path)


def one_picture(
    segmenter: "Segmenter",
    path: str | Path,
    settings: "EverythingOptions",
    folder: Path,
    formats: Sequence[str],
) -> "tuple[Segments, list[Path]]":
    """Finds all masks of one picture, with a progress bar on stderr, and writes them.

    Args:
        segmenter: the loaded model.
        path: the picture.
        settings: thresholds, grids and the mode.
        folder: where the files go.
        formats: names from `promptseg.formats.writers.WRITERS`.

    Returns:
        The masks, and the files written.
    """
    from promptseg.formats.writers import write
    from promptseg.images import Image

    picture = Image.open(path)
    with _progress_bar(Path(path).name) as bar:
        segments = segmenter.everything(picture, settings, on_progress=_follow(bar))
    return segments, write(segments, Path(path).stem, folder, formats, picture)


def _progress_bar(label: str) -> Any:
    return typer.progressbar(length=1, label=label, file=sys.stderr)


def _follow(bar: Any) -> "Progress":
    def progress(done: int, total: int) -> None:
        bar.length = total
        bar.update(done - bar.pos)

    return progress


def _float32(precision: str) -> str:
    """The exact mode computes in float32: makes "auto" mean that, so that no second engine is made for it."""
    if precision not in ("auto", "float32"):
        raise InputError(
            f"The exact mode computes in float32, got --precision {precision}. Leave it out, or use --mode fast."
        )
    return "float32"


def _read_grids(file: Path) -> Any:
    from promptseg.formats.reading import read_json

    grids = read_json(file)
    if not isinstance(grids, list):
        raise InputError(f"{file} must hold a list of point grids, one list of [x, y] per layer.")
    return grids
