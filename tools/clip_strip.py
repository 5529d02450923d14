"""Draws the strip of the README and the animation of docs/video.md.

A clip that turns and nears over an example picture, one click on its first frame.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from promptseg import Point, Segmenter
from promptseg.prompts.types import Prompt

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "images"
SIZE = (480, 360)
CLICK: Prompt = Point(262, 262)


def frames(count: int = 11) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Returns frames of a camera that turns, moves and comes nearer."""
    with Image.open(ROOT / "examples" / "coffee.jpg") as picture:
        whole = picture.convert("RGB")
    made: list[np.ndarray] = []  # type: ignore[type-arg]
    for number in range(count):
        share = number / (count - 1)
        turn, scale = np.radians(-5 + 18 * share), 1.02 - 0.4 * share
        x, y = 330 - 30 * share, 190 + 40 * share
        cos, sin = scale * np.cos(turn), scale * np.sin(turn)
        left, top = SIZE[0] / 2, SIZE[1] / 2
        matrix = (cos, -sin, x - cos * left + sin * top, sin, cos, y - sin * left - cos * top)
        made.append(np.asarray(whole.transform(SIZE, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)))
    return made


def main() -> None:
    """Follows and draws."""
    track = Segmenter(runtime="onnx").video(frames())
    track.add(CLICK)
    shown = [np.asarray(item.segments.draw()) for item in track.propagate()]
    strip = np.concatenate(shown[::2], axis=1)
    first, *others = (Image.fromarray(each) for each in shown)
    first.save(FOLDER / "clip.webp", save_all=True, append_images=others, duration=120, loop=0, quality=70)
    picture = Image.fromarray(strip)
    picture.resize((strip.shape[1] // 2, strip.shape[0] // 2), Image.Resampling.LANCZOS).save(
        FOLDER / "clip_strip.jpg", quality=88
    )


if __name__ == "__main__":
    main()
