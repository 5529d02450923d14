"""The boundary benchmark as a whole: layouts, detectors, resuming, reports."""

import json

import numpy as np
import pytest
from fakes_for_evaluate import disc, picture, save
from scipy.io import savemat

from promptseg.errors import FormatError, InputError
from promptseg.evaluate.edges import Canny, Sobel, open_edge_dataset, run_edges
from promptseg.evaluate.edges.report import edges_table, edges_to_json
from promptseg.evaluate.origin import Provenance
from promptseg.images import Image

ORIGIN = Provenance(model="none", runtime="none", commit="abc", processor="abacus", date="2025-01-31")
HEIGHT, WIDTH = 90, 121
BALL = disc(HEIGHT, WIDTH, 60, 45, 30)
RIM = BALL & ~(np.roll(BALL, 1, 0) & np.roll(BALL, -1, 0) & np.roll(BALL, 1, 1) & np.roll(BALL, -1, 1))


@pytest.fixture
def folder(tmp_path):
    """Three pictures of a ball, and outlines by two annotators; the second saw nothing."""
    pixels = np.where(BALL[..., None], 220, 60).astype(np.uint8).repeat(3, axis=2)
    outlines = np.packbits(np.stack([RIM, np.zeros_like(RIM)]), axis=2)
    (tmp_path / "truth").mkdir()
    for name in "abc":
        save(tmp_path / "images" / f"{name}.png", pixels)
        np.savez(tmp_path / "truth" / f"{name}.npz", boundaries=outlines, width=WIDTH)
    return tmp_path


class Oracle:
    name = "the oracle"

    def __init__(self, settings="first"):
        self.settings, self.calls = settings, 0

    def __call__(self, image):
        self.calls += 1
        return RIM.astype(np.float32)


def test_packed_outlines(folder):
    samples = open_edge_dataset(folder)
    assert [sample.name for sample in samples] == ["a", "b", "c"]
    assert samples[1].picture == folder / "images" / "b.png"
    outlines = samples[0].read()
    assert len(outlines) == 2
    assert np.array_equal(outlines[0], RIM)
    assert not outlines[1].any()
    assert [sample.name for sample in open_edge_dataset(folder, limit=2)] == ["a", "b"]


@pytest.mark.parametrize("base", ["", "data", "BSDS500/data"])
def test_the_official_layout(tmp_path, base):
    root = tmp_path / base
    picture(root / "images" / "test" / "17.jpg", HEIGHT, WIDTH)
    (root / "groundTruth" / "test").mkdir(parents=True)
    cells = np.empty((1, 2), object)
    for index, outline in enumerate((RIM, BALL)):
        cells[0, index] = {"Segmentation": outline.astype(np.uint16), "Boundaries": outline.astype(np.uint8)}
    savemat(root / "groundTruth" / "test" / "17.mat", {"groundTruth": cells})
    (sample,) = open_edge_dataset(tmp_path)
    assert sample.name == "17"
    first, second = sample.read()
    assert np.array_equal(first, RIM)
    assert np.array_equal(second, BALL)


def test_folders_that_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_edge_dataset(folder / "nowhere")
    with pytest.raises(InputError, match="is a file"):
        open_edge_dataset(folder / "images" / "a.png")
    with pytest.raises(InputError, match="at least 1, got 0"):
        open_edge_dataset(folder, limit=0)
    with pytest.raises(FormatError, match=r"holds no outlines.*BSDS500"):
        open_edge_dataset(folder / "images")
    (folder / "images" / "b.png").unlink()
    with pytest.raises(FormatError, match=r"b\.npz has no picture"):
        open_edge_dataset(folder)


def test_files_that_are_refused(folder):
    file = folder / "truth" / "a.npz"
    good = dict(np.load(file))
    for content in (b"", b"text", file.read_bytes()[:200]):
        file.write_bytes(content)
        with pytest.raises(FormatError, match="not a file of outlines"):
            open_edge_dataset(folder)[0].read()
    for wrong in ({"width": 90}, {"boundaries": good["boundaries"][0]}, {"boundaries": np.array([{}])}):
        np.savez(file, **{**good, **wrong})
        with pytest.raises(FormatError, match="not a file of outlines"):
            open_edge_dataset(folder)[0].read()
    np.savez(file, width=3)
    with pytest.raises(FormatError, match="not a file of outlines"):
        open_edge_dataset(folder)[0].read()
    file.unlink()
    matlab = folder / "groundTruth" / "test" / "a.mat"
    matlab.parent.mkdir(parents=True)
    matlab.write_bytes(b"no matlab")
    for other in "bc":
        (folder / "truth" / f"{other}.npz").unlink()
    (folder / "images" / "test").mkdir()
    (folder / "images" / "a.png").rename(folder / "images" / "test" / "a.png")
    with pytest.raises(FormatError, match="not a BSDS500 groundTruth file"):
        open_edge_dataset(folder)[0].read()


def test_a_picture_of_another_size(folder):
    picture(folder / "images" / "a.png", 20, 30)
    with pytest.raises(FormatError, match="is 30 x 20 pixels, but its outlines are 121 x 90"):
        run_edges(open_edge_dataset(folder), [Oracle()])


def test_the_classical_detectors_find_the_ball(folder):
    report = run_edges(
        open_edge_dataset(folder, limit=1), [Oracle(), Canny(), Sobel()], dataset="balls", count=9
    )
    oracle, canny, sobel = (trace.tallies[0] for trace in report.traces)
    assert oracle.precision().tolist() == [1] * 9
    for found in (canny, sobel):
        best = int(np.argmax(found.precision() * found.recall()))
        assert found.recall()[best] > 0.95
        assert found.precision()[best] > 0.9


def test_canny_follows_weak_edges_from_strong_ones():
    """An edge that fades is kept as long as it is 0.4 as strong as its strongest part; one that starts weak is not."""
    pixels = np.full((60, 200), 100, np.float32)
    pixels[20:30] += np.linspace(100, 0, 200)
    pixels[50:] += 30
    image = Image(np.repeat(pixels[..., None].astype(np.uint8), 3, axis=2))
    found = Canny()(image)
    fading, weak = found[18:23].max(axis=0), found[48:53].max(axis=0)
    assert fading[3] == pytest.approx(fading[100], abs=0.02), "one edge, one strength"
    assert fading[150] < fading[100]
    assert 0 < weak[100] < fading[100]
    assert 0 <= found.min() <= found.max() <= 1


def test_flat_pictures_have_no_edges():
    flat = Image(np.full((20, 30, 3), 77, np.uint8))
    for detector in (Canny(), Sobel()):
        assert detector(flat).max() == 0


def test_a_stopped_run_goes_on(folder):
    samples, store = open_edge_dataset(folder), folder / "store"
    oracle = Oracle()
    seen = []
    first = run_edges(samples[:2], [oracle], store=store, count=5)
    assert oracle.calls == 2
    again = run_edges(samples, [oracle], store=store, count=5, progress=lambda *pair: seen.append(pair))
    assert oracle.calls == 3
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for one, other in zip(first.traces[0].tallies, again.traces[0].tallies, strict=False):
        for name in ("recalled", "wanted", "correct", "predicted"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()
    run_edges(samples, [Oracle("second")], store=store, count=5)
    run_edges(samples, [oracle], store=store, count=5)
    assert oracle.calls == 6, "counts of other settings are made anew"
    run_edges(samples, [oracle], store=store, count=6)
    assert oracle.calls == 9
    files = sorted((store / "the_oracle").glob("*.json"))
    assert [file.stem for file in files] == ["a", "b", "c"]
    content = json.loads(files[1].read_bytes())
    for damaged in (b"", b"{", b"[]", b"5", json.dumps({**content, "recalled": [1]}).encode()):
        files[1].write_bytes(damaged)
        run_edges(samples, [oracle], store=store, count=6)
    assert oracle.calls == 14


def test_reports(folder):
    report = run_edges(open_edge_dataset(folder), [Oracle(), Sobel()], dataset="balls", count=4)
    table = edges_table(report, ORIGIN)
    head, _, oracle, sobel, _, caption, *_ = table.splitlines()
    assert "ODS" in head
    assert oracle.split("|")[1].strip() == "the oracle"
    assert oracle.split("|")[2:4] == [" 1.000 ", " 1.000 "]
    assert sobel.startswith("| Sobel")
    assert "3 pictures, 4 thresholds" in caption
    assert "abacus" in caption
    plain = edges_to_json(report, ORIGIN)
    assert json.loads(json.dumps(plain)) == plain
    assert plain["detectors"][0]["ods"] == 1
    assert plain["detectors"][0]["recall"] == [1.0] * 4
    with pytest.raises(InputError, match="names of their own"):
        run_edges(open_edge_dataset(folder), [Sobel(), Sobel()])
    with pytest.raises(InputError, match="at least one picture"):
        run_edges([], [Sobel()])
