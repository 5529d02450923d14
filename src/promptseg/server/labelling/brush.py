"""Label Studio's brush encoding: run lengths of an RGBA picture, packed bit by bit.

A head gives the number of bytes (32 bits), the word size less one (5 bits) and four counter sizes less one (4 bits
each). Then come runs: a bit that says whether one value is repeated, 2 bits for the counter's size, the count less one,
and the value. Only repeated values are written here; readers take both kinds.
"""

import numpy as np

from promptseg.masks.rle import RLE

_COUNTERS = (3, 4, 8, 16)
_CHANNELS = 4


def brush_rle(mask: RLE) -> list[int]:
    """Returns a mask as Label Studio's brush run lengths, a list of bytes: 255 in all channels inside, 0 outside."""
    flat = mask.dense().ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    bits = [f"{flat.size * _CHANNELS:032b}", f"{8 - 1:05b}", *(f"{size - 1:04b}" for size in _COUNTERS)]
    value = bool(flat[0])
    for length in (np.diff(edges) * _CHANNELS).tolist():
        bits.append(_run(length, "11111111" if value else "00000000"))
        value = not value
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _run(length: int, word: str) -> str:
    longest = 2 ** _COUNTERS[-1]
    full, rest = divmod(length, longest)
    parts = [f"111{longest - 1:016b}{word}"] * full
    if rest:
        place, size = next((place, size) for place, size in enumerate(_COUNTERS) if rest <= 2**size)
        parts.append(f"1{place:02b}{rest - 1:0{size}b}{word}")
    return "".join(parts)
