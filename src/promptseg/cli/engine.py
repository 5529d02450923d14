"""`promptseg engine`: the data engine, from a folder of pictures to a labelled data set and a better model."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptseg.cli import options
from promptseg.cli.command import Command, Group, argument
from promptseg.cli.options import PATH
from promptseg.cli.progress import progress_bar
from promptseg.cli.sa1b import sa1b
from promptseg.errors import InputError
from promptseg.runtimes.options import EngineOptions

if TYPE_CHECKING:
    from promptseg.engine.records import ModelVersion, ProjectStatus, StageWork

_project = argument("project", "The project's folder.", type=PATH)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_engine = options.engine("runtime", "precision", "device", "threads")


@click.group(cls=Group)
def engine() -> None:
    """The data engine: people and a model label pictures in three stages, and the model learns from it."""


@engine.command("init", cls=Command)
@argument("pictures", "A folder, a glob in quotes, or a list (@list.txt).")
@click.option("-o", "--output", type=PATH, required=True, help="The project's folder.", metavar="DIR")
@click.option("--model", help="The model to begin with, one of SAM's family.", metavar="NAME")
@click.option("--held", type=float, help="Share of the pictures that are never trained on.  [default: 0.1]")
@click.option("--double", type=float, help="Share of the pictures that two people label.  [default: 0.05]")
@click.option("--lease-minutes", type=float, help="How long a picture is locked for who took it.  [default: 30]")
@click.option("--picture-seconds", type=float, help="After so long the rest may be left; 0: never.  [default: 30]")
@click.option("--retrain-after", type=int, help="New masks after which retraining is due.  [default: 500]")
@click.option("--seed", type=int, help="Of every choice by chance.  [default: 0]")
def init(pictures: str, output: Path, **given: Any) -> None:
    """Makes a project of pictures, which stay where they are; run again, it adds what is new."""
    from promptseg.engine import Project, ProjectSettings

    chosen = {name: value for name, value in given.items() if value is not None}
    settings = ProjectSettings(**chosen) if chosen else None
    with Project.create(output, pictures, settings) as project:
        print(f"{output}: {project.pictures.count():,} pictures, {project.status().held:,} of them held out")


@engine.command("status", cls=Command)
@_project
@_json
def status(project: Path, as_json: bool) -> None:
    """Shows the stage, pictures, masks, seconds and clicks per mask, and the versions of the model."""
    from promptseg.engine import Project

    with Project(project) as opened:
        found = opened.status()
    print(json.dumps(asdict(found), indent=1) if as_json else "\n".join(_lines(found)))


def _lines(found: "ProjectStatus") -> list[str]:
    from promptseg.engine.records import STAGES

    pictures = ", ".join(f"{count:,} {state}" for state, count in found.pictures.items())
    lines = [
        f"{found.folder}: stage {found.stage}, {STAGES[found.stage]}",
        f"pictures    {pictures}; {found.held:,} held out",
    ]
    lines += [_stage_line(each) for each in found.work if each.accepted or each.proposed or each.rejected]
    if found.automatic["parts"]:
        lines.append(
            f"automatic   {found.automatic['masks']:,} masks on {found.automatic['pictures']:,} pictures, "
            f"{found.automatic_failed:,} pictures failed"
        )
    lines += [_version_line(version, found.current) for version in found.versions]
    due = "retraining is due: promptseg engine train" if found.due else "retraining is not due yet"
    return [*lines, f"new masks   {found.new_masks:,}; {due}"]


def _stage_line(work: "StageWork") -> str:
    return (
        f"stage {work.stage}     {work.accepted:,} masks accepted on {work.pictures:,} pictures "
        f"({work.per_picture:.1f} each), {work.seconds:.1f} s and {work.clicks:.2f} clicks per mask; "
        f"{work.proposed:,} proposed, {work.corrected:,} corrected, {work.rejected:,} rejected"
    )


def _version_line(version: "ModelVersion", current: int) -> str:
    figures = ", ".join(f"{name} {value:.3f}" for name, value in version.figures.items() if name.startswith("IoU"))
    use = "in use" if version.number == current else version.state
    learned = f"learned from {version.masks:,} masks" if version.recipe else "as it came"
    return f"version {version.number}   {use}; {learned}{'; ' + figures if figures else ''}"


@engine.command("train", cls=Command)
@_project
@click.option("--steps", type=click.IntRange(1), help="Steps of the optimiser.")
@click.option("--adapters", default=0, help="Rank of adapters in the image encoder.", metavar="RANK")
@click.option("--always", is_flag=True, help="Use the new version however it compares.")
@click.option("--roll-back", type=int, help="Train nothing: use this version again.", metavar="VERSION")
@click.option("-s", "--set", "settings", multiple=True, help="A setting of the recipe or run.", metavar="NAME=VALUE")
@_engine
def train(
    project: Path,
    steps: int | None,
    adapters: int,
    always: bool,
    roll_back: int | None,
    settings: tuple[str, ...],
    engine: EngineOptions,
) -> None:
    """Retrains on the accepted masks; the new version is used if it is better on held-out pictures.

    A run that was stopped goes on. On several processes: torchrun --nproc-per-node 2 -m promptseg engine train PROJECT.
    """
    from promptseg.cli.train import setting
    from promptseg.engine import Project

    with Project(project) as opened:
        if roll_back is not None:
            print(f"version {opened.versions.roll_back(roll_back).number} is in use")
            return
        from promptseg.engine.training import train_project

        given = dict(setting(text) for text in settings) | ({} if steps is None else {"steps": steps})
        version = train_project(opened, adapters=adapters, always=always, engine=engine, on_note=_say, **given)
        if version is not None:
            print(_version_line(version, opened.versions.current.number))


@engine.command("prefill", cls=Command)
@_project
@click.option("--limit", type=click.IntRange(1), help="At most so many pictures.")
@click.option(
    "--right", type=click.FloatRange(0.01, 0.99), help="Share of the proposals that shall be right.  [default: 0.75]"
)
@_engine
def prefill(project: Path, limit: int | None, right: float | None, engine: EngineOptions) -> None:
    """Stage 2: proposes confident masks on pictures that wait; people add what is missing."""
    from promptseg.engine import Project
    from promptseg.engine.prefill import prefill as run

    with Project(project) as opened, progress_bar("prefill") as follow:
        found = run(opened, limit=limit, precision=right, engine=engine, progress=follow)
    print(
        f"{found.masks:,} masks proposed on {found.pictures:,} pictures from a confidence of {found.threshold:.2f} on, "
        f"where {100 * found.precision:.0f} % of the accepted pictures' proposals are right"
    )
    _failed(found.failed)


@engine.command("auto", cls=Command)
@_project
@click.option("--mode", default="fast", help="fast, or exact: the paper's procedure with its crops.")
@click.option("--engine", "crew", default="local", help="What runs the workers: local or ray.")
@click.option("--workers", type=click.IntRange(1), default=1, help="Worker processes, or actors in Ray.")
@click.option(
    "--part",
    type=click.IntRange(1),
    default=100,
    help="Pictures of one shard, which are labelled anew if a worker is lost.",
)
@click.option("--pred-iou-thresh", type=float, help="Instead of the one chosen on accepted masks.")
@click.option("--stability-score-thresh", type=float, help="Instead of the one chosen on accepted masks.")
@click.option(
    "--review",
    type=click.IntRange(0),
    default=0,
    help="Give so many pictures of the result to people, who mend its masks.",
)
@options.engine("runtime", "precision", "device", "threads")
def auto(
    project: Path,
    mode: str,
    crew: str,
    workers: int,
    part: int,
    pred_iou_thresh: float | None,
    stability_score_thresh: float | None,
    review: int,
    engine: EngineOptions,
) -> None:
    """Stage 3: finds the masks of all pictures; a run that was stopped or killed goes on."""
    from promptseg.batch.labeler import LabelerSettings
    from promptseg.engine import Project
    from promptseg.engine.automatic import CLEANED, PAPER, label_automatically
    from promptseg.engine.prefill import segmenter_of
    from promptseg.engine.quality import sample_for_review
    from promptseg.engine.thresholds import choose_thresholds
    from promptseg.segment.everything.options import EverythingOptions

    if crew not in ("local", "ray"):
        raise InputError(f"Unknown engine {crew!r}: expected local or ray.")
    if mode not in ("fast", "exact"):
        raise InputError(f"Unknown mode {mode!r}: expected fast or exact.")
    with Project(project) as opened:
        shared = engine.shared(workers)
        version = opened.versions.engine(
            runtime=shared.runtime, precision=shared.precision, device=shared.device, threads=shared.threads
        )
        given = {"pred_iou_thresh": pred_iou_thresh, "stability_score_thresh": stability_score_thresh}
        chosen = {name: value for name, value in given.items() if value is not None}
        if len(chosen) < len(given):
            _say("choosing thresholds on the accepted masks")
            found = choose_thresholds(opened, segmenter_of(opened, engine))
            chosen = {name: getattr(found, name) for name in given} | chosen
        search: dict[str, Any] = {**(PAPER if mode == "exact" else CLEANED), **chosen}
        settings = EverythingOptions(mode=mode, **search)  # type: ignore[arg-type]
        labeler = LabelerSettings(engine=version, options=settings)
        with progress_bar("parts") as follow:
            done = label_automatically(opened, labeler, workers=workers, crew=crew, part=part, progress=follow)  # type: ignore[arg-type]
        line = ", ".join(f"{name} {value:g}" for name, value in chosen.items())
        print(f"{done.masks:,} masks on {done.pictures:,} pictures ({line}); {done.failed:,} pictures failed")
        if review:
            print(f"{sample_for_review(opened, review):,} pictures were given to people for review")
    if done.failed:
        raise click.exceptions.Exit(1)


@engine.command("export", cls=Command)
@_project
@click.option("-f", "--format", "form", default="sa1b", help="sa1b, coco, yolo or parquet.")
@click.option("-o", "--output", type=PATH, required=True, help="A new folder.", metavar="DIR")
@click.option("--pictures", is_flag=True, help="Put copies of the pictures with it.")
@click.option("--automatic", is_flag=True, help="The automatic masks, not those that people accepted.")
@click.option("--shards", is_flag=True, help="SA-1B as tar shards.")
def export(project: Path, form: str, output: Path, pictures: bool, automatic: bool, shards: bool) -> None:
    """Writes the accepted (or the automatic) masks as a data set."""
    from promptseg.engine import Project
    from promptseg.engine.export import export_project

    with Project(project) as opened:
        count = export_project(opened, form, output, pictures=pictures, automatic=automatic, shards=shards)  # type: ignore[arg-type]
    print(f"{output}: {count:,} pictures")


@engine.command("report", cls=Command)
@_project
@click.option("-o", "--output", type=PATH, required=True, help="The page; its numbers go beside it.", metavar="FILE")
@click.option("--with", "others", multiple=True, help="Another labelled set to compare with.", metavar="[NAME=]DIR")
@click.option("--metadata", type=PATH, help="CSV file with a column picture, and columns for --by.", metavar="FILE")
@click.option("--by", multiple=True, help="Compare how well groups are segmented by this column.", metavar="COLUMN")
@_engine
def report(
    project: Path,
    output: Path,
    others: tuple[str, ...],
    metadata: Path | None,
    by: tuple[str, ...],
    engine: EngineOptions,
) -> None:
    """Writes one page of statistics, quality and fairness, and its numbers as JSON."""
    from promptseg.cli.sa1b import statistics_of
    from promptseg.datasets.open import read_metadata
    from promptseg.engine import Project
    from promptseg.engine.fairness import fairness
    from promptseg.engine.prefill import segmenter_of
    from promptseg.engine.report import EngineReport

    if by and metadata is None:
        raise InputError("--by compares by a column of --metadata FILE.csv: give one.")
    with Project(project) as opened:
        tables = ()
        if metadata is not None:
            dataset = opened.dataset().with_metadata(read_metadata(metadata))
            tables = fairness(dataset, segmenter_of(opened, engine), by, seed=opened.settings.seed)
        page = EngineReport.of_project(opened, [statistics_of(text) for text in others], tables)
        for path in page.write(output):
            print(path)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _failed(failed: dict[str, str]) -> None:
    for name, reason in failed.items():
        _say(f"promptseg: skipped {name}: {reason}")
    if failed:
        raise click.exceptions.Exit(1)


engine.add_command(sa1b)
