"""Segments the example pictures by point, box, polygon and scribble, and says where the results are.

python examples/demo.py [FOLDER]
"""

import sys
import time
from pathlib import Path

from PIL import Image

from promptseg import Box, Point, Polygon, Scribble, Segmenter
from promptseg.masks.marks import draw_prompts

PICTURES = Path(__file__).parent

EXAMPLES = {
    "point": ("chelsea.jpg", [Point(220, 150)], "object"),  # not the face alone
    "points": ("astronaut.jpg", [Point(225, 300), Point(225, 110, positive=False)]),
    "box": ("rocket.jpg", [Box(285, 60, 360, 340)]),
    "polygon": (
        "astronaut.jpg",
        [Polygon(((290, 400), (330, 350), (400, 335), (480, 360), (500, 430), (470, 500), (310, 500)))],
    ),
    "scribble": ("coffee.jpg", [Scribble(((110, 260), (150, 320), (230, 355), (340, 350)), width=12)]),
}

NESTED = (
    ("astronaut.jpg", Point(225, 110), "part"),
    ("astronaut.jpg", Point(225, 110), "object"),
    ("coffee.jpg", Point(300, 150), "whole"),
)
HEIGHT = 400
"""Of the three pictures of `NESTED` side by side, in pixels."""


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Joins pictures of one height with a white seam."""
    seam = 6
    width = sum(picture.width for picture in pictures) + seam * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, pictures[0].height), "white")
    x = 0
    for picture in pictures:
        sheet.paste(picture, (x, 0))
        x += picture.width + seam
    return sheet


def main() -> None:
    """Runs the demonstration."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
    folder.mkdir(parents=True, exist_ok=True)
    segmenter = Segmenter()
    print(segmenter)
    embedded = {}
    for name, (picture, prompts, *granularity) in EXAMPLES.items():
        began = time.perf_counter()
        if picture not in embedded:
            embedded[picture] = segmenter.embed(PICTURES / picture)
        cut = segmenter.segment(embedded[picture], prompts, granularity=granularity[0] if granularity else "auto")
        path = folder / f"{name}_{Path(picture).stem}.png"
        draw_prompts(cut.draw(), prompts).save(path)
        print(f"{path}: score {cut.scores[0]:.2f}, {int(cut.areas[0]):,} pixels, {time.perf_counter() - began:.2f} s")

    pictures = []
    for picture, click, granularity in NESTED:
        cut = segmenter.segment(embedded[picture], click, granularity=granularity)
        drawn = draw_prompts(cut.draw(), [click])
        pictures.append(drawn.resize((HEIGHT * drawn.width // drawn.height, HEIGHT), Image.Resampling.LANCZOS))
    path = folder / "part_object_whole.png"
    side_by_side(pictures).save(path)
    print(f"{path}: one click each, for the part, the object and the whole")


if __name__ == "__main__":
    main()
