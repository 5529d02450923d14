"""The report of a project, or of any labelled data set: one page that needs nothing else, and its numbers as JSON."""

import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from promptseg.engine.agreement import Agreement, agreement
from promptseg.engine.automatic import automatic_entries
from promptseg.engine.fairness import FairnessTable
from promptseg.engine.plots import compared
from promptseg.engine.project import Project
from promptseg.engine.quality import Quality, quality
from promptseg.engine.records import STAGES, ProjectStatus
from promptseg.engine.statistics import SetStatistics, masks_of_dataset, statistics
from promptseg.evaluate.measures import Interval
from promptseg.evaluate.report.page import STYLE
from promptseg.files import write_bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EngineReport:
    """What a report shows.

    Attributes:
        title: of the page.
        status: of the project, if it is about one.
        agreement: of people.
        quality: of automatic masks.
        sets: statistics of data sets, compared in one plot each.
        fairness: tables by columns of facts.
    """

    title: str
    status: ProjectStatus | None = None
    agreement: Agreement | None = None
    quality: Quality | None = None
    sets: Sequence[SetStatistics] = ()
    fairness: Sequence[FairnessTable] = field(default_factory=tuple[FairnessTable, ...])

    @classmethod
    def of_project(
        cls, project: Project, others: Iterable[SetStatistics] = (), fairness: Sequence[FairnessTable] = ()
    ) -> "EngineReport":
        """Gathers what there is to say of a project.

        Args:
            project: the project.
            others: other data sets to compare with.
            fairness: tables by columns of facts.
        """
        stages = [
            statistics(masks_of_dataset(project.dataset(stage=stage)), f"stage {stage}, accepted") for stage in STAGES
        ]
        found = ((each.read().segments for each in automatic_entries(project)),)
        automatic = statistics(((each.size, list(each.masks)) for stream in found for each in stream), "automatic")
        sets = [each for each in (*stages, automatic) if each.masks]
        return cls(
            title=f"Project {project.folder.resolve().name}",
            status=project.status(),
            agreement=agreement(project),
            quality=quality(project),
            sets=(*sets, *others),
            fairness=fairness,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns all numbers as plain JSON; what is not known is null."""
        parts: dict[str, Any] = {
            "title": self.title,
            "status": None if self.status is None else asdict(self.status),
            "agreement": None if self.agreement is None else asdict(self.agreement),
            "quality": None if self.quality is None else asdict(self.quality),
            "sets": [each.to_json() for each in self.sets],
            "fairness": [each.to_json() for each in self.fairness],
        }
        return _known(parts)

    def to_html(self) -> str:
        """Returns the page."""
        parts = [
            "<!doctype html><html lang=en><head><meta charset=utf-8>",
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(self.title)}</title><style>{STYLE}</style></head><body><h1>{escape(self.title)}</h1>",
        ]
        if self.status is not None:
            parts += _status(self.status)
        if self.agreement is not None and self.agreement.pictures:
            parts += _agreement(self.agreement)
        if self.quality is not None and self.quality.masks:
            parts += _quality(self.quality)
        if self.sets:
            parts += _sets(self.sets)
        for table in self.fairness:
            parts += _fairness(table)
        return "\n".join([*parts, "</body></html>\n"])

    def write(self, path: str | os.PathLike[str]) -> list[Path]:
        """Writes the page, and its numbers beside it with the ending .json.

        Raises:
            OutputError: a file cannot be written.
        """
        page, numbers = Path(path), Path(path).with_suffix(".json")
        write_bytes(numbers, (json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n").encode())
        write_bytes(page, self.to_html().encode("utf-8", "replace"))
        return [page, numbers]


def _known(value: Any) -> Any:
    """Replaces numbers that are none."""
    if isinstance(value, dict):
        return {name: _known(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_known(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table_html(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table; every text is escaped."""
    first = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>"


def _status(status: ProjectStatus) -> list[str]:
    pictures = ", ".join(f"{count:,} {state}" for state, count in status.pictures.items())
    work = [
        (
            f"{each.stage}: {STAGES[each.stage]}",
            f"{each.pictures:,}",
            f"{each.accepted:,}",
            f"{each.per_picture:.1f}",
            f"{each.seconds:.1f}",
            f"{each.clicks:.2f}",
            f"{each.proposed:,}",
            f"{each.corrected:,}",
            f"{each.rejected:,}",
        )
        for each in status.work
    ]
    heads = ("stage", "pictures", "accepted masks", "per picture", "s per mask", "clicks per mask", "proposed")
    lineage = ("version", "", "from", "pictures / masks")
    versions = [
        (
            f"{each.number}{' (in use)' if each.number == status.current else ''}",
            each.state,
            "" if each.parent is None else str(each.parent),
            f"{each.pictures:,} / {each.masks:,}",
            each.recipe or "as it came",
            each.data_sha256[:12] if each.recipe else "",
            each.sha256[:12],
            ", ".join(f"{name} {value:.3f}" for name, value in each.figures.items()),
        )
        for each in status.versions
    ]
    return [
        f"<p>Stage {status.stage}. Pictures: {escape(pictures)}; {status.held:,} held out. Automatic masks: "
        f"{status.automatic['masks']:,} on {status.automatic['pictures']:,} pictures.</p><h2>Work</h2>",
        table_html((*heads, "corrected", "rejected"), work),
        "<h2>Versions of the model</h2>",
        table_html((*lineage, "recipe", "data", "weights", "held-out figures"), versions),
    ]


def _agreement(found: Agreement) -> list[str]:
    rows = [(person, f"{value:.3f}") for person, value in found.people.items()]
    return [
        f"<h2>Agreement</h2><p>Two people labelled {found.pictures:,} pictures: {found.pairs:,} objects were drawn by "
        f"both (mean IoU {found.iou:.3f}, {100 * found.above:.0f} % above 0.9), {found.alone:,} by one alone.</p>",
        table_html(("person", "mean IoU with the other"), rows),
    ]


def _quality(found: Quality) -> list[str]:
    return [
        f"<h2>Quality of automatic masks</h2><p>People looked at {found.masks:,} automatic masks on {found.pictures:,} "
        f"pictures: {found.accepted:,} were good, {found.corrected:,} were mended, {found.rejected:,} were no objects. "
        f"Before against after: {100 * found.above_90:.1f} % of the pairs are above an IoU of 0.9, "
        f"{100 * found.above_75:.1f} % above 0.75; the mean is {found.iou:.3f}.</p>"
    ]


def _sets(sets: Sequence[SetStatistics]) -> list[str]:
    rows = []
    for each in sets:
        known = each.to_json()
        small, medium, large = known["small_medium_large"]
        rows.append(
            (
                each.name,
                f"{each.pictures:,}",
                f"{each.masks:,}",
                f"{known['masks_per_picture']:.1f}",
                f"{known['relative_size_mean']:.3f}",
                f"{known['concavity_mean']:.3f}",
                f"{100 * small:.0f} / {100 * medium:.0f} / {100 * large:.0f}",
            )
        )
    heads = ("set", "pictures", "masks", "per picture", "relative size", "concavity", "small / medium / large, %")
    figures = "".join(f"<figure>{plot}</figure>" for plot in compared(sets))
    return ["<h2>Masks</h2>", table_html(heads, rows), f'<div class="plots">{figures}</div>']


def _fairness(table: FairnessTable) -> list[str]:
    rows = [
        (each.value, f"{each.pictures:,}", f"{each.masks:,}", *(_interval(value) for value in each.readings.values()))
        for each in table.groups
    ]
    names = list(table.groups[0].readings)
    gaps = "".join(
        f"<p>{gap.measure}: the largest gap is {_interval(gap.difference)}, {escape(gap.best)} against "
        f"{escape(gap.worst)}; {'it is more than chance' if gap.sure else 'it may be chance'}.</p>"
        for gap in table.gaps
    )
    heads = (table.column, "pictures", "masks", *(f"{name}, %" for name in names))
    return [f"<h2>By {escape(table.column)}</h2>", table_html(heads, rows), gaps]


def _interval(value: Interval) -> str:
    text = f"{100 * value.mean:.1f}"
    return text if math.isnan(value.low) else f"{text} [{100 * value.low:.1f}, {100 * value.high:.1f}]"
