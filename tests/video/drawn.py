"""Clips drawn for the tests: discs and boxes of plain colours that move over a pattern."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 120, 192


def ground() -> np.ndarray:
    """A soft pattern of greys and greens, the same on every frame."""
    random = np.random.default_rng(3)
    small = random.integers(70, 120, (6, 9, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def disc(x: float, y: float, radius: float) -> np.ndarray:
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    return (xs - x) ** 2 + (ys - y) ** 2 <= radius**2


def box(x: float, y: float, half: float) -> np.ndarray:
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    return (abs(xs - x) <= half) & (abs(ys - y) <= half)


RED, BLUE = (225, 40, 30), (30, 60, 230)


def painted(*things: tuple[np.ndarray, tuple[int, int, int]]) -> np.ndarray:
    """A frame; later things hide earlier ones."""
    frame = ground().copy()
    for mask, colour in things:
        frame[mask] = colour
    return frame


def crossing(frames: int = 7) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """A red disc goes right, a blue box goes left in front of it; returns frames and what is seen of each."""
    pictures, reds, blues = [], [], []
    for number in range(frames):
        share = number / (frames - 1)
        red, blue = disc(40 + 112 * share, 58, 22), box(152 - 112 * share, 64, 18)
        pictures.append(painted((red, RED), (blue, BLUE)))
        reds.append(red & ~blue)
        blues.append(blue)
    return pictures, reds, blues


def hiding(frames: int = 5, away: tuple[int, ...] = (2, 3)) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A red disc that is gone on some frames and comes back elsewhere."""
    pictures, reds = [], []
    for number in range(frames):
        red = disc(50 + 18 * number, 60, 22) & (number not in away)
        pictures.append(painted((red, RED)))
        reds.append(red)
    return pictures, reds


def film(
    path: Path,
    pictures: list[np.ndarray],
    *,
    codec: str = "libx264",
    stamps: list[int] | None = None,
    key_frames: int = 8,
    turned: int = 0,
) -> Path:
    """Writes a film of 25 frames a second, or with time stamps of one's own in steps of 0.04 seconds."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = key_frames
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = (stamps[number] if stamps else number), Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if turned:
        _turn(path, turned)
    return path


def _turn(path: Path, degrees: int) -> None:
    """Sets the display matrix of an MP4's only track, as telephones do that are held upright."""
    data = bytearray(path.read_bytes())
    place = data.find(b"tkhd") + 4
    place += 40 if data[place] == 0 else 52
    matrix = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    a, b, c, d = (value * 65536 for value in matrix)
    numbers = [a, b, 0, c, d, 0, 0, 0, 1 << 30]
    data[place : place + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    path.write_bytes(bytes(data))
