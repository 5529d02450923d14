"""The plots of a report, as SVG inside the page: curves of several sets, and heat maps of centres."""

from collections.abc import Sequence
from html import escape

import numpy as np

from promptseg.engine.statistics import BINS, SetStatistics, count_names
from promptseg.evaluate.report.plots import colour, line_plot
from promptseg.evaluate.tasks.task import Curve

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 520, 320, 52, 30, 42


def compared(sets: Sequence[SetStatistics]) -> list[str]:
    """Returns the plots of the paper's section 5, each with all sets: sizes, concavity, masks per picture, centres."""
    middles = tuple((place + 0.5) / BINS for place in range(BINS))
    plots = [_grouped("pictures by their number of masks", sets)]
    for title, across, name in (
        ("relative size of masks", "root of the mask's share of the picture", "sizes"),
        ("concavity of masks", "1 - mask / convex hull", "concavities"),
    ):
        curves = [
            (each.name, Curve(plot=title, across=across, up="share of masks", x=middles, y=_shares(each, name)))
            for each in sets
        ]
        plots.append(line_plot(title, curves))
    return plots + [heat_map(each) for each in sets]


def _shares(each: SetStatistics, name: str) -> tuple[float, ...]:
    return tuple((getattr(each, name) / max(1, each.masks)).tolist())


def heat_map(each: SetStatistics) -> str:
    """Returns where the centres of a set's masks lie in its pictures, darker where there are more."""
    side = each.centres.shape[0]
    top = max(1, int(each.centres.max()))
    cell = 260 / side
    cells = "".join(
        f'<rect x="{_LEFT + column * cell:.1f}" y="{_TOP + row * cell:.1f}" width="{cell + 0.3:.1f}" '
        f'height="{cell + 0.3:.1f}" fill="#1d4ed8" fill-opacity="{each.centres[row, column] / top:.3f}"/>'
        for row, column in np.argwhere(each.centres > 0).tolist()
    )
    title = escape(f"centres of masks: {each.name}")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">'
        f'<text x="{_LEFT}" y="18" class="title">{title}</text>{cells}'
        f'<rect x="{_LEFT}" y="{_TOP}" width="260" height="260" fill="none" class="axis"/></svg>'
    )


def _grouped(title: str, sets: Sequence[SetStatistics]) -> str:
    """Returns bars: a group for each number of masks, in it a bar for each set."""
    names = count_names()
    shares = [each.per_picture / max(1, each.pictures) for each in sets]
    bottom, wide = _HEIGHT - _BOTTOM, (_WIDTH - _LEFT - 12) / len(names)
    bar = wide * 0.8 / max(1, len(sets))
    parts = [f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - 12}" class="axis"/>']
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - tick * (bottom - _TOP)
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="tick" text-anchor="end">{tick:g}</text>')
    for place, name in enumerate(names):
        x = _LEFT + place * wide
        parts.append(f'<text x="{x + wide / 2:.1f}" y="{bottom + 16}" class="tick" text-anchor="middle">{name}</text>')
        for number, values in enumerate(shares):
            high = float(values[place]) * (bottom - _TOP)
            parts.append(
                f'<rect x="{x + wide * 0.1 + number * bar:.1f}" y="{bottom - high:.1f}" width="{bar:.1f}" '
                f'height="{high:.1f}" fill="{colour(number)}"/>'
            )
    for number, each in enumerate(sets):
        y = _TOP + 14 + 16 * number
        parts.append(f'<path d="M{_WIDTH - 190} {y - 4}h18" stroke="{colour(number)}" stroke-width="3"/>')
        parts.append(f'<text x="{_WIDTH - 166}" y="{y}" class="tick">{escape(each.name)}</text>')
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
    return f'{head}<text x="{_LEFT}" y="18" class="title">{escape(title)}</text>{"".join(parts)}</svg>'
