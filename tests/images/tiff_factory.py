"""TIFF files of any layout, as GDAL, tifffile and microscopes write them."""

import struct
import zlib

import numpy as np


def tiff(
    values: np.ndarray,
    *,
    order: str = "<",
    planar: bool = False,
    tile: tuple[int, int] | None = None,
    rows: int = 0,
    compression: int = 1,
    predictor: int = 1,
    photometric: int | None = None,
    extra: tuple[int, ...] = (),
    big: bool = False,
    more: dict[int, tuple[int, bytes]] | None = None,
) -> bytes:
    """One page; `values` are (H, W) or (H, W, bands)."""
    values = values if values.ndim == 3 else values[:, :, None]
    height, width, bands = values.shape
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    planes = [values[:, :, [band]] for band in range(bands)] if planar else [values]
    pieces = [_packed(piece, order, compression, predictor) for plane in planes for piece in _cut(plane, tile, rows)]
    photometric = photometric if photometric is not None else 2 if bands >= 3 else 1
    tags: dict[int, tuple[int, list[int] | bytes]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [values.itemsize * 8] * bands),
        259: (3, [compression]),
        262: (3, [photometric]),
        277: (3, [bands]),
        284: (3, [2 if planar else 1]),
        317: (3, [predictor]),
        339: (3, [kind] * bands),
    }
    if extra:
        tags[338] = (3, [*extra])
    if tile:
        tags |= {322: (4, [tile[1]]), 323: (4, [tile[0]])}
    else:
        tags[278] = (4, [rows or height])
    tags |= more or {}
    header = 16 if big else 8
    offsets = np.cumsum([header, *(len(piece) for piece in pieces)]).tolist()
    tags[324 if tile else 273] = (4, offsets[:-1])
    tags[325 if tile else 279] = (4, [len(piece) for piece in pieces])
    return _file(tags, b"".join(pieces), order, big)


def _cut(plane: np.ndarray, tile: tuple[int, int] | None, rows: int) -> list[np.ndarray]:
    height, width = plane.shape[:2]
    if not tile:
        step = rows or height
        return [plane[top : top + step] for top in range(0, height, step)]
    padded = np.pad(plane, ((0, -height % tile[0]), (0, -width % tile[1]), (0, 0)))
    return [
        padded[top : top + tile[0], left : left + tile[1]]
        for top in range(0, height, tile[0])
        for left in range(0, width, tile[1])
    ]


def _packed(piece: np.ndarray, order: str, compression: int, predictor: int) -> bytes:
    rows, _, bands = piece.shape
    if predictor == 3:
        size = piece.itemsize
        planes = np.ascontiguousarray(piece.astype(f">f{size}")).view(np.uint8).reshape(rows, -1, size)
        flat = planes.transpose(0, 2, 1).reshape(rows, -1, bands)
        raw = np.diff(flat, axis=1, prepend=np.zeros((rows, 1, bands), np.uint8)).tobytes()
    else:
        if predictor == 2:
            bare = piece.view(f"u{piece.itemsize}")
            piece = np.diff(bare, axis=1, prepend=np.zeros((rows, 1, bands), bare.dtype))
        raw = piece.astype(piece.dtype.newbyteorder(order)).tobytes()
    return {1: lambda: raw, 8: lambda: zlib.compress(raw), 5: lambda: _lzw(raw)}[compression]()


def _lzw(raw: bytes) -> bytes:
    """Codes of nine bits alone: the table is cleared before it would need ten."""
    codes: list[int] = []
    for start in range(0, len(raw), 250):
        codes += [256, *raw[start : start + 250]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def _file(tags: dict[int, tuple[int, list[int] | bytes]], pixels: bytes, order: str, big: bool) -> bytes:
    sizes, forms = {2: 1, 3: 2, 4: 4, 12: 8}, {3: "H", 4: "I"}
    word, slot = ("Q", 8) if big else ("I", 4)
    header = 16 if big else 8
    pixels += b"\0" * (-len(pixels) % 2)
    place = header + len(pixels)
    behind = place + (8 if big else 2) + len(tags) * (20 if big else 12) + slot
    entries, tail = b"", b""
    for tag, (form, given) in sorted(tags.items()):
        body = given if isinstance(given, bytes) else struct.pack(f"{order}{len(given)}{forms[form]}", *given)
        count = len(body) // sizes[form]
        entries += struct.pack(f"{order}HH{word}", tag, form, count)
        if len(body) <= slot:
            entries += body.ljust(slot, b"\0")
        else:
            entries += struct.pack(order + word, behind + len(tail))
            tail += body + b"\0" * (len(body) % 2)
    mark = b"II" if order == "<" else b"MM"
    first = struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, place) if big else (42, place)))
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    return mark + first + pixels + count + entries + struct.pack(order + word, 0) + tail
