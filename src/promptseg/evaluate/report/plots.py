"""Line plots as SVG, which an HTML page holds without any script or library."""

from collections.abc import Sequence
from html import escape

import numpy as np

from promptseg.evaluate.tasks.task import Curve

COLOURS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
"""Told apart by most kinds of colour blindness when in this order; dashes help where there are more."""

_WIDTH, _HEIGHT = 520, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 30, 42


def line_plot(title: str, curves: Sequence[tuple[str, Curve]]) -> str:
    """Returns an SVG of curves, each with the name of its contestant.

    Args:
        title: what stands above.
        curves: at least one.
    """
    x = np.concatenate([np.asarray(curve.x, np.float64) for _, curve in curves])
    y = np.concatenate([np.asarray(curve.y, np.float64) for _, curve in curves])
    good = np.isfinite(x) & np.isfinite(y)
    x_range, y_range = _range(x[good]), _range(y[good], zero_to_one=True)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">',
        f'<text x="{_LEFT}" y="18" class="title">{escape(title)}</text>',
        *_axes(x_range, y_range, curves[0][1]),
    ]
    for number, (name, curve) in enumerate(curves):
        parts.append(_line(number, curve, x_range, y_range))
        parts.append(_key(number, name))
    return "".join([*parts, "</svg>"])


def _range(values: np.ndarray, *, zero_to_one: bool = False) -> tuple[float, float]:  # type: ignore[type-arg]
    if len(values) == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if zero_to_one and low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _at(value: float, span: tuple[float, float], first: float, last: float) -> float:
    return first + (value - span[0]) / (span[1] - span[0]) * (last - first)


def _axes(x_range: tuple[float, float], y_range: tuple[float, float], curve: Curve) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" class="axis"/>']
    for tick in _ticks(*x_range):
        x = _at(tick, x_range, _LEFT, right)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" class="tick" text-anchor="middle">{tick:g}</text>')
    for tick in _ticks(*y_range):
        y = _at(tick, y_range, bottom, _TOP)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="tick" text-anchor="end">{tick:g}</text>')
    middle = (_LEFT + right) / 2
    parts.append(
        f'<text x="{middle}" y="{_HEIGHT - 8}" class="tick" text-anchor="middle">{escape(curve.across)}</text>'
    )
    parts.append(
        f'<text transform="translate(14 {(_TOP + bottom) / 2}) rotate(-90)" class="tick" text-anchor="middle">'
        f"{escape(curve.up)}</text>"
    )
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """Returns about five round numbers in a range."""
    step = 10 ** np.floor(np.log10((high - low) / 5))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= 6:
            step *= factor
            break
    first = np.ceil(low / step - 1e-9) * step
    return [round(float(value), 10) + 0.0 for value in np.arange(first, high + step * 1e-6, step)]


def _line(number: int, curve: Curve, x_range: tuple[float, float], y_range: tuple[float, float]) -> str:
    points = " ".join(
        f"{_at(x, x_range, _LEFT, _WIDTH - _RIGHT):.1f},{_at(y, y_range, _HEIGHT - _BOTTOM, _TOP):.1f}"
        for x, y in zip(curve.x, curve.y, strict=True)
        if np.isfinite(x) and np.isfinite(y)
    )
    dash = "" if number < len(COLOURS) else ' stroke-dasharray="6 3"'
    return f'<polyline points="{points}" fill="none" stroke="{colour(number)}" stroke-width="2"{dash}/>'


def _key(number: int, name: str) -> str:
    y = _TOP + 14 + 16 * number
    x = _LEFT + 14
    return (
        f'<path d="M{x} {y - 4}h18" stroke="{colour(number)}" stroke-width="3"/>'
        f'<text x="{x + 24}" y="{y}" class="tick">{escape(name)}</text>'
    )


def colour(number: int) -> str:
    """Returns the colour of a contestant."""
    return COLOURS[number % len(COLOURS)]
