"""A made-up engine: blobs with holes and crumbs around snapped points, the same for the same picture and point."""

import functools
import zlib

import numpy as np

from promptseg.runtimes.protocol import DecoderOutputs

SIDE = 64  # cells of its grid, fewer than the 256 of a network: drawing is quicker
GRID = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE))) * (256 / SIDE)


class SceneRuntime:
    """Looks like an engine; every mask is drawn, none is computed by a network."""

    name, threads = "scene", 1

    def __init__(self, precision="float32"):
        self.precision = precision
        self.pictures = 0

    def encode(self, image):
        self.pictures += 1
        features = np.zeros((1, 256, 64, 64), np.float32)
        features[0, 0, 0, 0] = np.round(image.mean(), 4)
        return features

    def decode(self, embedding, inputs, *, official=False):
        assert (inputs.labels == [1, -1]).all(), "a point and the official padding point"
        assert inputs.points.dtype == np.float32
        assert not inputs.points[:, 1].any()
        answers = [draw(x, y, float(embedding[0, 0, 0, 0])) for x, y in inputs.points[:, 0].tolist()]
        return DecoderOutputs(*(np.stack(part) for part in zip(*answers, strict=True)))


@functools.cache
def draw(x, y, fingerprint):
    # Points of one cell speak of one object, with scores of their own: boxes have something to compete for.
    point = np.array([x, y])
    cell = np.floor(point / 200)
    seen = zlib.crc32(np.float32([*cell, fingerprint]).tobytes())
    random, own = (np.random.default_rng(seen), np.random.default_rng(zlib.crc32(np.round(point).tobytes())))
    logits = np.empty((4, SIDE, SIDE), np.float32)
    scores = own.uniform(0.82, 1.03, 4).astype(np.float32)
    for token in range(4):
        centre = (cell * 200 + random.uniform(20, 180, 2)) / 4 + own.uniform(-2, 2, 2)
        radii, sharp = random.uniform(4, 60, 2), np.exp(random.uniform(2.5, 6))
        field = 1 - np.hypot(*((GRID - centre[:, None, None]) / radii[:, None, None]))
        for sign, reach in ((-1, 0.8), (1, 2.0)):  # holes inside, crumbs outside
            for _ in range(random.integers(0, 3)):
                spot = centre + random.uniform(-reach, reach, 2) * radii
                bump = 1 - np.hypot(*(GRID - spot[:, None, None])) / random.uniform(1, 9)
                field = np.where(bump > 0, sign * bump, field)
        logits[token] = np.clip(sharp * field, -30, 30)
    return logits, scores
