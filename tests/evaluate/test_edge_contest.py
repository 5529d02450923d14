"""The boundary benchmark as a whole: layouts, detectors, resuming, reports."""

import json

import numpy as np
import pytest
from fakes_for_evaluate import ORIGIN, Answering, disc, picture, readings, save
from scipy.io import savemat

from promptseg.datasets.open import DatasetSource
from promptseg.errors import FormatError, InputError
from promptseg.evaluate.contestants.classical import ClassicalEdges
from promptseg.evaluate.edges import Canny, Sobel, open_edge_dataset
from promptseg.evaluate.edges.scores import score
from promptseg.evaluate.report.written import to_json, to_table
from promptseg.evaluate.run import run
from promptseg.evaluate.summary import summarise
from promptseg.evaluate.tasks.edges import EdgesTask, _tally
from promptseg.images import Image

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


def oracle(settings="first"):
    return Answering("the oracle", settings, edges=RIM.astype(np.float32))


def opened(folder, limit=None):
    return DatasetSource(path=str(folder), truth="outlines", count="pictures", limit=limit)()


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
        run(EdgesTask(), opened(folder), [oracle()])


def test_the_classical_detectors_find_the_ball(folder):
    contestants = [oracle(), ClassicalEdges(Canny()), ClassicalEdges(Sobel())]
    found = run(EdgesTask(thresholds=9), opened(folder, 1), contestants)
    exact, canny, sobel = (_tally(answers[0].rows[0], 9) for answers in found.answers)
    assert exact.precision().tolist() == [1] * 9
    for tally in (canny, sobel):
        best = int(np.argmax(tally.precision() * tally.recall()))
        assert tally.recall()[best] > 0.95
        assert tally.precision()[best] > 0.9


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
    store, one = folder / "store", oracle()

    def asked(contestant, count=5, limit=None):
        contestant.calls.clear()
        found = run(EdgesTask(thresholds=count), opened(folder, limit), [contestant], store=store)
        return contestant.calls.count("edges"), found

    calls, first = asked(one, limit=2)
    assert calls == 2
    calls, again = asked(one)
    assert calls == 1
    for before, after in zip(first.answers[0], again.answers[0], strict=False):
        assert before.to_json() == after.to_json()
    assert asked(oracle("second"))[0] == 3, "answers under other settings are given anew"
    assert asked(one)[0] == 3
    assert asked(one, count=6)[0] == 3
    files = sorted((store / "the_oracle").glob("*.json"))
    assert [file.stem for file in files] == ["a", "b", "c"]
    content = json.loads(files[1].read_bytes())
    for damaged in (b"", b"{", b"[]", b"5", json.dumps({**content, "answer": {"unit": "b"}}).encode()):
        files[1].write_bytes(damaged)
        assert asked(one, count=6)[0] == 1
    assert asked(one, count=6)[0] == 0


def test_scores_are_those_of_the_benchmark(folder):
    """ODS, OIS, AP and R50 out of the frame's counts are those that `score` gives for the pictures' tallies."""
    random = np.random.default_rng(3)
    maps = {
        name: scale * (0.5 * RIM * random.uniform(0.6, 1, RIM.shape) + 0.45 * random.random(RIM.shape))
        for name, scale in {"a": 1.0, "b": 0.6, "c": 0.4}.items()
    }
    noisy = Answering(edges=lambda image: maps[image.name[0]].astype(np.float32))
    found = run(EdgesTask(thresholds=7), opened(folder), [noisy])
    measured = readings(summarise(found))
    tallies = [_tally(answer.rows[0], 7) for answer in found.answers[0]]
    expected = score(tallies, np.linspace(0, 1, 9)[1:-1])
    assert (measured["ODS"], measured["OIS"]) == pytest.approx((expected.ods, expected.ois))
    assert (measured["AP"], measured["R50"]) == pytest.approx((expected.ap, expected.r50))
    assert 0 < expected.ods < expected.ois < 1


def test_reports(folder):
    summary = summarise(run(EdgesTask(thresholds=4), opened(folder), [oracle(), ClassicalEdges(Sobel())]))
    table = to_table(summary, ORIGIN)
    assert table.splitlines()[2].split("|")[1:3] == [" ODS              ", " 100.0 [100.0, 100.0] "]
    assert "3 rows on 3 pictures; thresholds 4" in table
    plain = to_json(summary, ORIGIN)
    assert json.loads(json.dumps(plain)) == plain
    assert plain["contestants"][0]["measures"]["ODS"]["value"] == 1
    assert plain["contestants"][0]["curves"][0]["x"] == [1.0] * 4
    with pytest.raises(InputError, match="name of its own"):
        run(EdgesTask(), opened(folder), [ClassicalEdges(Sobel()), ClassicalEdges(Sobel())])
    with pytest.raises(InputError, match="threshold"):
        EdgesTask(thresholds=0)
