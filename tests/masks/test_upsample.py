import numpy as np
import pytest

from promptseg.errors import InputError
from promptseg.geometry import ResizeFrame
from promptseg.masks import upsample
from promptseg.masks.rle import RLE
from promptseg.masks.upsample import downsample_mask, upsample_around, upsample_to_rle, upsample_with_stability

torch = pytest.importorskip("torch")

SIZES = [
    (1, 1),
    (1, 5000),
    (5000, 1),
    (683, 1024),
    (1500, 2250),
    (37, 211),
    (1024, 1024),
    (480, 854),
    (2047, 333),
    (3, 2),
]


def smooth_logits(seed, scale=12.0):
    """Blobs with the range and smoothness of decoder logits."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(-0.3, 1, (1, 1, 12, 12)).astype(np.float32))
    return (torch.nn.functional.interpolate(coarse, (256, 256), mode="bicubic")[0, 0] * scale).numpy()


def upsample_logits(logits, frame):
    """The logits of every pixel of the picture."""
    corner, values = upsample_around(logits, frame, -np.inf)
    assert corner == (0, 0)
    return values


def official(logits, frame):
    """The two official steps, in torch."""
    interpolate = torch.nn.functional.interpolate
    grid = torch.from_numpy(logits)[None, None]
    wide = interpolate(grid, (frame.side, frame.side), mode="bilinear", align_corners=False)
    wide = wide[..., : frame.resized.height, : frame.resized.width]
    return interpolate(wide, tuple(frame.original), mode="bilinear", align_corners=False)[0, 0].numpy()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["smooth", "noise"])
def test_agrees_with_torch(size, kind):
    frame = ResizeFrame.fit(size)
    logits = smooth_logits(1) if kind == "smooth" else np.random.default_rng(2).normal(0, 4, (256, 256)).astype("f4")
    expected = official(logits, frame)
    result = upsample_logits(logits, frame)
    assert result.shape == size
    assert result.dtype == np.float32
    assert np.abs(result - expected).max() <= 1e-4
    for threshold in (0.0, 1.5):
        mask = upsample_to_rle(logits, frame, threshold).dense()
        differ = mask != (expected > threshold)
        assert np.abs(expected[differ] - threshold).max(initial=0) < 1e-4


@pytest.mark.parametrize("size", [(300, 400), (1500, 2250), (37, 211)], ids=str)
@pytest.mark.parametrize("place", [(0, 0), (255, 255), (100, 130), (170, 3), (3, 255), (254, 1)], ids=str)
def test_a_single_spot_anywhere(size, place):
    frame = ResizeFrame.fit(size)
    logits = np.full((256, 256), -5, np.float32)
    logits[place] = 9
    assert upsample_to_rle(logits, frame) == RLE.encode(upsample_logits(logits, frame) > 0)


@pytest.mark.parametrize("size", [(1, 1), (50, 70), (1200, 700)], ids=str)
def test_constant_logits(size):
    frame = ResizeFrame.fit(size)
    assert upsample_to_rle(np.full((256, 256), -3, np.float32), frame) == RLE.empty(size)
    assert upsample_to_rle(np.full((256, 256), 3, np.float32), frame) == RLE.encode(np.ones(size, bool))


@pytest.mark.parametrize("size", [(333, 500), (1100, 1600)], ids=str)
def test_stability(size):
    frame = ResizeFrame.fit(size)
    logits = smooth_logits(5)
    full = upsample_logits(logits, frame)
    mask, stability = upsample_with_stability(logits, frame)
    assert mask == upsample_to_rle(logits, frame) == RLE.encode(full > 0)
    assert stability == (full > 1).sum() / (full > -1).sum()
    assert np.isnan(upsample_with_stability(logits - 1000, frame)[1])


@pytest.mark.parametrize("size", SIZES)
def test_large_masks_are_encoded_strip_by_strip(size, monkeypatch):
    """Strips of any width give the same mask and stability."""
    frame, logits = ResizeFrame.fit(size), smooth_logits(5)
    whole = upsample_with_stability(logits, frame)
    assert whole[0] == RLE.encode(upsample_logits(logits, frame) > 0)
    for pixels in (1, 7 * size[0], 30_000):
        monkeypatch.setattr(upsample, "_SLAB_PIXELS", max(pixels, size[0] * size[1] // 50))
        np.testing.assert_equal(upsample_with_stability(logits, frame), whole)


def test_other_grids_and_wrong_shapes():
    frame = ResizeFrame.fit((90, 120), side=512)
    logits = smooth_logits(4)[:128, :128].copy()
    assert np.abs(upsample_logits(logits, frame) - official(logits, frame)).max() <= 1e-4
    with pytest.raises(InputError, match="height, width"):
        upsample_to_rle(np.zeros((1, 256, 256), np.float32), frame)


@pytest.mark.parametrize("size", [(1, 1), (683, 1000), (40, 31), (1500, 2250), (1, 3000)], ids=str)
def test_downsample_keeps_constants_and_pads_with_zero(size):
    frame = ResizeFrame.fit(size)
    grid = downsample_mask(np.ones(size, np.float32), frame)
    rows, columns = -(-frame.resized.height // 4), -(-frame.resized.width // 4)
    assert grid.dtype == np.float32
    assert np.allclose(grid[:rows, :columns], 1, atol=1e-6)
    assert not grid[rows:].any()
    assert not grid[:, columns:].any()


def test_downsample_then_upsample_gives_the_mask_back():
    y, x = np.mgrid[:600, :800]
    mask = (x - 420) ** 2 + (y - 250) ** 2 < 180**2
    for given in (mask, mask[::2, ::2]):
        frame = ResizeFrame.fit((600, 800))
        again = upsample_to_rle(downsample_mask(given.astype(np.float32), frame) - 0.5, frame).dense()
        assert (again & mask).sum() / (again | mask).sum() > 0.985
