"""Peers in processes of their own: the protocol, what goes wrong, GrabCut, the official predictor, ourselves."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from fakes_for_evaluate import BALL, Answering, dataset_of, disc, panoptic_of, readings, segments
from promptseg.errors import InputError
from promptseg.evaluate.lineup import PROGRAM, Lineup, named_peer
from promptseg.evaluate.metrics import iou
from promptseg.evaluate.peers import process
from promptseg.evaluate.peers.process import Peer, PeerCommand
from promptseg.evaluate.peers.program import GrabCutPeer, Program, SamPeer
from promptseg.evaluate.peers.serve import ContestantProgram
from promptseg.evaluate.run import run
from promptseg.evaluate.summary import summarise
from promptseg.evaluate.tasks.clicks import ClicksTask
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.runtimes.options import EngineOptions
from promptseg.vocabulary import Category, Vocabulary

TOY = (sys.executable, str(Path(__file__).parent / "toy_peer.py"))
PICTURE = Image(np.full((40, 60, 3), 90, np.uint8))


@pytest.fixture
def toy():
    peers = []

    def start(mood="good", **options):
        peers.append(Peer(PeerCommand(command=(*TOY, mood)), 1, **options))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


def test_a_peer_takes_part(toy, tmp_path):
    peer = toy()
    assert (peer.name, peer.abilities) == ("toy", {"click", "point"})
    found = run(ClicksTask(clicks=3), dataset_of(tmp_path, {"a": [BALL], "b": [BALL]}), [peer])
    assert 0.2 < found.answers[0][0].rows[0].values["ious"][0] < 0.4
    values = readings(summarise(found))
    assert values["s per click"] == 1.5, "the peer's own time counts"
    assert values["s per picture"] < 1
    assert values["peak memory"] == pytest.approx(0.012345)


@pytest.mark.parametrize(
    ("mood", "message"),
    [
        ("dies", "toy ended while it was asked 'click': no more clicks today"),
        ("chatty", "toy answered 'click' with no JSON: 'no json"),
        ("confused", "toy answered 'click' with what cannot be read: .*counts"),
    ],
)
def test_peers_that_misbehave(toy, mood, message):
    peer = toy(mood)
    peer.start(PICTURE)
    peer.begin()
    with pytest.raises(InputError, match=message):
        peer.click(5, 5, True)


def test_a_peer_that_is_not_answering(toy):
    peer = toy("silent")
    peer.start(PICTURE)
    peer.begin()
    peer._patience = 0.2
    with pytest.raises(InputError, match=r"toy did not answer 'click' within 0\.2 s"):
        peer.click(5, 5, True)
    peer._process.kill()


def test_peers_that_are_none(toy):
    with pytest.raises(InputError, match="does not speak protocol 1"):
        toy("old")
    with pytest.raises(InputError, match="does not speak protocol 1"):
        toy("shy")
    with pytest.raises(InputError, match="'/no/such/program' cannot be started"):
        Peer(PeerCommand(command=("/no/such/program",)), 1)
    with pytest.raises(InputError, match=r"ended while it was asked 'hello': .*unknown peer 'magic'"):
        Peer(PeerCommand(command=(sys.executable, str(PROGRAM), "magic")), 1)
    peer = toy()
    peer.start(PICTURE)
    with pytest.raises(InputError, match=r"toy could not do 'point': what is point\?"):
        peer.point(3, 4)


def test_peers_by_name():
    assert named_peer("grabcut", "py").command == ("py", str(PROGRAM), "grabcut")
    assert named_peer("mobilesam-mirror", "py", "w.pt").command[2:] == ("sam", "mobile_sam", "vit_t", "w.pt")
    assert named_peer("segment-anything:vit_l", "py", "w.pth").command[3:] == ("segment_anything", "vit_l", "w.pth")
    assert named_peer("promptseg", "/old/bin/python").name == "promptseg of old"
    with pytest.raises(InputError, match="Unknown peer 'yolo'"):
        named_peer("yolo", "py")
    with pytest.raises(InputError, match="needs its weights"):
        named_peer("mobilesam-mirror", "py")
    with pytest.raises(InputError, match="Unknown way 'magic': expected one of fast, exact, proposals"):
        Lineup(task="everything", ways=("magic",))
    with pytest.raises(InputError, match="clicks has no --way"):
        Lineup(task="clicks", ways=("fast",))


def ball_picture():
    """A red ball on a green ground with some noise."""
    random = np.random.default_rng(0)
    ground = np.where(disc(120, 160, 70, 60, 35)[..., None], (200, 40, 40), (40, 160, 60))
    return np.clip(ground + random.normal(0, 12, ground.shape), 0, 255).astype(np.uint8)


def test_grabcut_cuts_the_ball():
    truth = disc(120, 160, 70, 60, 35)
    peer = Peer(named_peer("grabcut", sys.executable), 1)
    try:
        peer.start(Image(ball_picture()))
        (mask,) = peer.boxes([(30, 20, 112, 100)]).dense()
        assert iou(mask, truth) > 0.95
        peer.begin()
        assert iou(peer.click(70, 60, True), truth) > 0.5
        assert peer.abilities == {"click", "boxes"}
        assert peer.peak_memory() > 1e7
    finally:
        peer.close()


def test_grabcut_does_as_it_is_told():
    peer = GrabCutPeer(1)
    peer.picture(ball_picture())
    peer.begin()
    peer.click(70, 60, True)
    (mask,), _ = peer.click(10, 10, True)
    assert mask[10, 10]
    (mask,), _ = peer.click(70, 60, False)
    assert not mask[60, 70]


def test_the_official_predictor_behind_the_protocol(official_mobile_sam, segmenter, embedded, tmp_path):
    """The peer's program asks the official package as our official recipe does: masks agree."""
    import torch

    from promptseg.evaluate.contestants.ours import OfficialRecipe
    from promptseg.models.network import Network

    tensors = {name: torch.from_numpy(value.copy()) for name, value in Network.load().tensors.items()}
    wide = {name: each.float() if each.is_floating_point() else each for name, each in tensors.items()}
    torch.save(wide, tmp_path / "mobile_sam.pt")
    program = Program(lambda threads: SamPeer("mobile_sam", "vit_t", str(tmp_path / "mobile_sam.pt"), threads))
    hello = program.answer({"op": "hello", "threads": torch.get_num_threads()})
    assert hello["name"] == "mobilesam-mirror"
    path = Path(__file__).parents[2] / "examples" / "chelsea.jpg"
    program.answer({"op": "picture", "path": str(path)})
    recipe = OfficialRecipe(segmenter)
    recipe._embedded = embedded("chelsea")
    program.answer({"op": "begin"})
    recipe.begin()
    for x, y, positive in ((220, 150, True), (40, 40, False)):
        answer = program.answer({"op": "click", "x": x, "y": y, "positive": positive})
        mask = RLE.from_coco(answer["masks"][0]).dense()
        assert iou(mask, recipe.click(x, y, positive)) > 0.99
    box = [100.0, 30, 380, 290]
    answer = program.answer({"op": "boxes", "boxes": [box, box]})
    first, second = (RLE.from_coco(mask) for mask in answer["masks"])
    assert first == second
    assert iou(first.dense(), recipe.boxes([tuple(box)]).dense()[0]) > 0.99
    points = program.answer({"op": "point", "x": 220, "y": 150})
    assert len(points["masks"]) == 4
    assert points["scores"][0] == max(points["scores"])
    assert program.answer({"op": "fly"}) == {"error": "unknown request 'fly'"}


class Wired(Peer):
    """A peer whose program runs in this process."""

    def __init__(self, contestant):
        self._program = ContestantProgram(lambda threads: contestant)
        self.sent = []
        super().__init__(PeerCommand(command=(sys.executable, "-c", "input()")), 1)

    def _ask(self, operation, **fields):
        request = json.loads(json.dumps({"op": operation, **fields}))
        self.sent.append(operation)
        answer = json.loads(json.dumps(self._program.answer(request)))
        assert "error" not in answer
        return answer


def test_every_ability_goes_through_the_wire():
    """What a contestant answers arrives as it was, whatever it is asked."""
    words = Vocabulary(("cat", "sky-other-merged"), (True, False), (5, 9))
    classes = [Category(5, "cat", True), Category(9, "sky-other-merged", False)]
    numbers = np.ones((40, 60), np.int32)
    numbers[20:] = 2
    half = numbers == 2
    scored = segments(half, BALL, scores=[0.5, 0.25], labels=("cat", None))
    seen = {}

    def noted(name, answer):
        def call(image, *given):
            seen[name] = given
            return answer

        return call

    dense = panoptic_of(numbers, classes)
    one = Answering(
        "wired",
        click=noted("click", half),
        point=noted("point", scored),
        boxes=noted("boxes", scored),
        everything=noted("everything", scored),
        edges=noted("edges", np.linspace(0, 1, 2400, dtype=np.float32).reshape(40, 60)),
        semantic=noted("semantic", dense),
        panoptic=noted("panoptic", dense),
        instances=noted("instances", scored),
        phrases=noted("phrases", scored),
        matches=noted("matches", scored),
        reference=noted("reference", segments(half)),
        labels=noted("labels", [("cat", "sky-other-merged")]),
        track=noted("track", [RLE.encode(half), RLE.encode(BALL)]),
    )
    peer = Wired(one)
    try:
        peer.start(PICTURE)
        peer.begin()
        assert np.array_equal(peer.click(1, 2, False), half)
        assert seen["click"] == (1.0, 2.0, False)
        for found in (
            peer.point(3, 4),
            peer.boxes([(1, 2, 3, 4)]),
            peer.everything(),
            peer.instances(words),
            peer.matches("cat"),
        ):
            assert found.masks == scored.masks
            assert found.scores.tolist() == [0.5, 0.25]
            assert found.labels == ("cat", None)
        assert seen["boxes"] == ([(1, 2, 3, 4)],)
        assert seen["instances"] == (words,)
        assert np.abs(peer.edges() - np.linspace(0, 1, 2400).reshape(40, 60)).max() < 1e-4
        for dense_answer in (peer.semantic(words), peer.panoptic(words)):
            assert dense_answer.segments.masks == dense.segments.masks
            assert dense_answer.categories == tuple(classes)
        peer.phrases(["a", "b"], together=True)
        assert seen["phrases"] == (["a", "b"], True)
        assert peer.reference(PICTURE, RLE.encode(BALL)).masks[0] == RLE.encode(half)
        assert seen["reference"][1] == RLE.encode(BALL)
        assert np.array_equal(seen["reference"][0].pixels, PICTURE.pixels)
        assert peer.labels(Segments((40, 60), (RLE.encode(BALL),)), words, 5) == [("cat", "sky-other-merged")]
        assert seen["labels"][1:] == (words, 5)
        assert list(peer.track([PICTURE] * 3, RLE.encode(BALL))) == [RLE.encode(half), RLE.encode(BALL)]
        assert peer.sent[0] == "hello"
    finally:
        peer.close()


def test_ourselves_as_a_peer(examples):
    command = process.our_command(EngineOptions(model="mobile-sam", runtime="onnx"))
    peer = Peer(command, 1)
    try:
        assert peer.settings == "mobile-sam, onnx float32"
        image = Image.open(examples / "chelsea.jpg")
        peer.start(image)
        peer.begin()
        assert 0.05 < peer.click(220, 150, True).mean() < 0.9
        assert peer.clock.reported > 0
        with pytest.raises(InputError, match="promptseg could not do 'fly': ValueError: unknown request"):
            peer._ask("fly")
    finally:
        peer.close()
