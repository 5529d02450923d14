"""`promptseg everything`: all masks of a picture, without prompts."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptseg.cli import everything_batch, options
from promptseg.cli.command import Command, argument
from promptseg.cli.formats import formats
from promptseg.cli.progress import progress_bar
from promptseg.errors import InputError

if TYPE_CHECKING:
    from promptseg.masks.segments import Segments
    from promptseg.segment.everything.options import EverythingOptions
    from promptseg.segment.segmenter import Segmenter

DEFAULT_FORMATS = ["png", "overlay", "records"]


@click.command(cls=Command)
@argument(
    "image",
    "The picture (JPEG, PNG, WebP, TIFF, BMP, GIF); with --format sa1b also a folder, "
    'a glob in quotes ("photos/*.jpg") or a list of paths (@list.txt).',
)
@click.option("-o", "--output", default="out", help="Folder for the results.", metavar="DIR")
@formats(batch=True)
@click.option("--mode", default="fast", help="fast, or exact: the official procedure in float32.")
@click.option("--points-per-side", type=int, help="Points along each side of the grid.  [default: 32]")
@click.option("--pred-iou-thresh", default=0.88, help="Keep masks with a higher predicted IoU.")
@click.option("--stability-score-thresh", default=0.95, help="Keep masks at least this stable.")
@click.option(
    "--stability-score-offset",
    default=1.0,
    help="Shift of the threshold, in logits, to measure stability.",
)
@click.option("--box-nms-thresh", default=0.7, help="Box IoU above which the better mask stays.")
@click.option("--crop-n-layers", default=0, help="Layers of crops to search too; layer i has 4^i crops.")
@click.option("--crop-nms-thresh", default=0.7, help="The same between masks of different crops.")
@click.option(
    "--crop-overlap-ratio",
    default=512 / 1500,
    help="Overlap of crops, as a share of the shorter side.  [default: 512/1500]",
    show_default=False,
)
@click.option(
    "--crop-n-points-downscale-factor",
    default=1,
    help="Divides the points per side in each further layer.",
)
@click.option(
    "--point-grids",
    type=options.PATH,
    help="JSON file of own points, instead of --points-per-side: one list of [x, y] from 0 to 1 per layer.",
    metavar="FILE",
)
@click.option("--min-mask-region-area", default=0, help="Remove holes and islands of fewer pixels.")
@click.option(
    "--tile",
    type=int,
    help="Search pictures longer than this many pixels in overlapping tiles of this side too: 1024 is the "
    "model's own size.",
)
@click.option(
    "--tile-overlap",
    default=0.25,
    help="Least overlap of tiles, as a share of the tile (1/16 to 1/2).",
)
@options.engine
@options.cache
@click.option(
    "--workers", default=1, help="Pictures at a time, with sa1b: worker processes, or actors in Ray."
)
@click.option("--engine", default="local", help="What runs the workers, with sa1b: local or ray.")
def everything(
    image: str,
    output: str,
    formats: list[str],
    mode: str,
    points_per_side: int | None,
    pred_iou_thresh: float,
    stability_score_thresh: float,
    stability_score_offset: float,
    box_nms_thresh: float,
    crop_n_layers: int,
    crop_nms_thresh: float,
    crop_overlap_ratio: float,
    crop_n_points_downscale_factor: int,
    point_grids: Path | None,
    min_mask_region_area: int,
    tile: int | None,
    tile_overlap: float,
    model: str,
    weights: Path | None,
    runtime: str,
    precision: str,
    device: str,
    threads: int | None,
    cache: Path | None,
    workers: int,
    engine: str,
) -> None:
    """Finds all masks of a picture, or of many pictures, without prompts.

    Writes a coloured overlay, the masks and a JSON file with the score, stability and point of each. The parameters and
    their defaults are those of SAM's automatic mask generator.

    Many pictures become SA-1B files. Run the command again to go on after a stop. Pictures that cannot be read are
    reported and skipped; the exit code is then 1.
    """
    from promptseg.images import Image
    from promptseg.segment.everything.options import EverythingOptions
    from promptseg.segment.segmenter import Segmenter

    batch = everything_batch.is_wanted(image, formats, workers, engine)
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
    segments, paths = one_picture(segmenter, image, settings, Path(output), formats or DEFAULT_FORMATS)
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
        formats: names from `promptseg.formats.table.FORMATS`.

    Returns:
        The masks, and the files written.
    """
    from promptseg.formats.table import write
    from promptseg.images import Image

    picture = Image.open(path)
    with progress_bar(Path(path).name) as follow:
        segments = segmenter.everything(picture, settings, on_progress=follow)
    return segments, write(segments, Path(path).stem, folder, formats, picture)


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
