"""SVG: masks as vector paths in pixel coordinates, optionally over a link to the picture."""

import os
import re
from xml.sax.saxutils import escape, quoteattr

from promptseg.files import write_bytes
from promptseg.masks.polygons import PolygonWithHoles, trace_polygons
from promptseg.masks.records import HALF_A_PIXEL
from promptseg.masks.segments import Segments

_NOT_XML = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ud800-\\udfff\\ufffe\\uffff]")


def svg_text(segments: Segments, image_link: str | None = None, tolerance: float = HALF_A_PIXEL) -> str:
    """Returns an SVG drawing with one path per mask; holes are cut by the even-odd rule.

    A path has its class as title and as `data-label`, and the colour that the mask has on a picture.

    Args:
        segments: the masks.
        image_link: address or path of the picture, shown below the masks.
        tolerance: how many pixels outlines may be simplified by; 0 is exact.
    """
    height, width = segments.size
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    ]
    if image_link is not None:
        lines.append(f'  <image href={quoteattr(_clean(image_link))} width="{width}" height="{height}"/>')
    colours = segments.palette()
    for index in sorted(range(len(segments)), key=lambda index: -segments.masks[index].area):
        colour = "#{:02x}{:02x}{:02x}".format(*colours[index])
        path = "".join(_path(polygon) for polygon in trace_polygons(segments.masks[index], tolerance))
        label = segments.labels[index]
        title = f"<title>{escape(_clean(label))}</title>" if label else ""
        named = f"data-label={quoteattr(_clean(label))} " if label else ""
        lines.append(
            f'  <path id="mask-{index}" {named}data-score="{segments.scores[index]:.4f}" fill="{colour}" '
            f'fill-opacity="0.5" fill-rule="evenodd" stroke="{colour}" vector-effect="non-scaling-stroke" '
            f'd="{path}">{title}</path>'
        )
    return "\n".join([*lines, "</svg>", ""])


def write_svg(
    path: str | os.PathLike[str], segments: Segments, image_link: str | None = None, tolerance: float = HALF_A_PIXEL
) -> None:
    """Writes an SVG drawing (see `svg_text`).

    Raises:
        OutputError: the file cannot be written.
    """
    write_bytes(path, svg_text(segments, image_link, tolerance).encode())


def _path(polygon: PolygonWithHoles) -> str:
    rings = ("L".join(f"{x:g} {y:g}" for x, y in ring.tolist()) for ring in polygon.rings)
    return "".join(f"M{ring}Z" for ring in rings)


def _clean(text: str) -> str:
    """Drops characters that XML cannot hold."""
    return _NOT_XML.sub("", text)
