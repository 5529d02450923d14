"""The recipe of seem-tiny on a handful of synthetic pictures, with networks of the real shape and random weights."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image as PIL
from safetensors.torch import save_file
from torch import nn

from promptseg.cli.app import app
from promptseg.errors import InputError, WeightsError
from promptseg.masks.rle import RLE
from promptseg.models.seem_tiny.backbone import EfficientNetLite
from promptseg.models.seem_tiny.weights import TinyNetwork
from promptseg.models.tensors import read_safetensors
from promptseg.runtimes.factory import create_tiny
from promptseg.train.loop import CHECKPOINT, train
from promptseg.train.recipes import find_recipe
from promptseg.train.recipes.seem_tiny import losses, mixture, namer, phrases, recipe, start, views, weights
from promptseg.train.recipes.seem_tiny.phrases import Sentences

QUICK = {
    "namer_steps": 2,
    "examples": 2,
    "threads": 1,
    "steps": 2,
    "learning_rate": 0.02,
    "warmup": 0,
    "ema": 0.0,  # what is written is what two steps changed
}


@pytest.fixture(scope="module", autouse=True)
def quick_reader() -> Iterator[None]:
    """The sentence encoder with one of its six layers, which remembers: thousands of phrases are read by every run."""
    encoder = weights.read_sentences(None)
    encoder.layers = encoder.layers[:1]
    read, known = encoder.forward, dict[bytes, torch.Tensor]()

    def remembered(ids: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        key = ids.numpy().tobytes()
        if key not in known:
            known[key] = read(ids, present)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "forward", remembered)
        patch.setattr(recipe, "read_sentences", lambda path: encoder)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of discs with masks, instances, single labels and boxes."""
    root = tmp_path_factory.mktemp("data")
    rows, columns = np.mgrid[:64, :64]
    disc = (columns - 24) ** 2 + (rows - 36) ** 2 < 200
    pixels = np.stack([60 + 150 * disc, 90 - 30 * disc, np.full((64, 64), 80)], -1).astype(np.uint8)
    for name in ("voc", "coco", "caltech101", "fruit"):
        (root / name / "images").mkdir(parents=True)
        for number in range(2):
            PIL.fromarray(np.roll(pixels, 8 * number, 1)).save(root / name / "images" / f"{number}.png")
    (root / "voc" / "labels").mkdir()
    for number in range(2):
        PIL.fromarray(np.roll(disc, 8 * number, 1).astype(np.uint8) * (1 + number)).save(
            root / "voc" / "labels" / f"{number}.png"
        )
    (root / "voc" / "classes.json").write_text(json.dumps(["background", "cat", "dog"]))
    annotations = [
        {
            "id": number,
            "image_id": number,
            "category_id": 7,
            "segmentation": RLE.encode(np.roll(disc, 8 * number, 1)).to_coco(),
            "area": int(disc.sum()),
            "bbox": [10, 20, 30, 30],
            "iscrowd": number,
        }
        for number in range(2)
    ]
    images = [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 64} for n in range(2)]
    (root / "coco" / "instances.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "orange"}]})
    )
    (root / "caltech101" / "labels.json").write_text(json.dumps({"0.png": "anchor", "1.png": "ant"}))
    box = [{"label": "apple", "box": [10, 22, 39, 51]}]
    (root / "fruit" / "boxes.json").write_text(json.dumps({"0.png": box, "1.png": []}))
    return root


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with the published names and shapes and random numbers."""
    torch.manual_seed(0)
    net, state = EfficientNetLite(), {}
    convs = {"_conv_stem": (net.stem, "_bn0"), "_conv_head": (net.wide, "_bn1")}
    for number, block in enumerate(net.blocks):
        place = f"_blocks.{number}."
        if block.expand is not None:
            convs[place + "_expand_conv"] = (block.expand, place + "_bn0")
        convs[place + "_depthwise_conv"] = (block.depthwise, place + "_bn1")
        convs[place + "_project_conv"] = (block.project, place + "_bn2")
    for conv, (module, norm) in convs.items():
        state[f"{conv}.weight"] = module.weight.detach()
        width = len(module.weight)
        state |= {f"{norm}.weight": torch.rand(width) + 0.5, f"{norm}.bias": 0.1 * torch.randn(width)}
        state |= {
            f"{norm}.running_mean": 0.1 * torch.randn(width),
            f"{norm}.running_var": torch.rand(width) + 0.5,
            f"{norm}.num_batches_tracked": torch.tensor(1),
        }
    state |= {"_fc.weight": 0.1 * torch.randn(1000, 1280), "_fc.bias": torch.zeros(1000)}
    path = tmp_path_factory.mktemp("start") / "lite2.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def result(data: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the command writes."""
    target = tmp_path_factory.mktemp("result") / "seem_tiny.safetensors"
    command = ["train", "seem-tiny", str(data), "-o", str(target), "--start", str(checkpoint)]
    for name, value in QUICK.items():
        command += ["--set", f"{name}={value}"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return target


def test_the_result_runs_in_an_engine(result: Path, checkpoint: Path, data: Path) -> None:
    tensors = read_safetensors(result)
    assert tensors["namer.wide.weight"].dtype == np.int8
    assert tensors["head.out.weight"].dtype == np.float16
    runtime = create_tiny("onnx", threads=1, weights=result)
    seen = runtime.see(np.full((320, 512, 3), 90, np.uint8))
    np.testing.assert_allclose(np.linalg.norm(seen, axis=0), np.ones((64, 64)), rtol=0, atol=1e-3)
    # The early half of the backbone is as it was published, the late half is not, and the namer's late half is.
    backbone, _ = weights.read_backbone(checkpoint, data / ".promptseg-train")
    network, state = TinyNetwork.load(result), backbone.state_dict()
    for name in ("blocks.3.project.weight", "blocks.18.project.weight"):
        moved = np.abs(network.tensor(f"backbone.{name}") - state[name].numpy()).max()
        assert (moved > 1e-4) == ("18" in name)
    kept = network.tensor("namer.blocks.3.project.weight")
    np.testing.assert_allclose(kept, state["blocks.18.project.weight"].numpy(), rtol=0, atol=2e-3)


def test_a_stopped_run_goes_on_to_the_same_bits(result: Path, data: Path, checkpoint: Path, tmp_path: Path) -> None:
    entry = find_recipe("seem_tiny")
    whole = entry.build(data, start=str(checkpoint), **QUICK)
    assert train(whole, tmp_path, quiet=True, stop_after=1) == tmp_path / CHECKPOINT
    again = entry.build(data, start=str(checkpoint), **QUICK)
    target = train(again, tmp_path, quiet=True)
    one, two = read_safetensors(result), read_safetensors(target)
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_training_goes_on_from_an_earlier_result(result: Path, data: Path, checkpoint: Path) -> None:
    again = find_recipe("seem-tiny").build(data, start=str(checkpoint), weights=str(result), **QUICK)
    stored = read_safetensors(result)
    state = again.task.model.state_dict()
    for name in ("words.straight.weight", "backbone.blocks.20.expand.bias", "log_region_scale"):
        assert np.array_equal(state[name].numpy(), stored[name].astype(np.float32))


def test_what_is_missing_is_named(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    entry = find_recipe("seem-tiny")
    with pytest.raises(InputError, match="--start"):
        entry.build(data)
    with pytest.raises(InputError, match="nothing to learn outlines from"):
        entry.build(tmp_path, start=str(checkpoint))
    with pytest.raises(InputError, match="no mixture 'animals'"):
        entry.build(data, start=str(checkpoint), mixture="animals")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="no EfficientNet-Lite2"):
        weights.read_backbone(tmp_path / "other.pth", tmp_path)
    save_file({"weight": torch.full((2,), torch.nan)}, tmp_path / "nan.safetensors")
    for read in (lambda path: weights.read_backbone(path, tmp_path), weights.read_sentences):
        with pytest.raises(WeightsError, match="tensor 'weight' holds numbers that are infinite or none"):
            read(tmp_path / "nan.safetensors")
    with pytest.raises(InputError, match=r"0 files model\.safetensors"):
        weights.read_sentences(tmp_path)


def test_batch_norms_are_folded(checkpoint: Path, data: Path) -> None:
    backbone, classifier = weights.read_backbone(checkpoint, data / ".promptseg-train")
    state = torch.load(checkpoint, weights_only=True)
    norm = nn.BatchNorm2d(352, eps=1e-3).eval()
    norm.load_state_dict(
        {name: state[f"_blocks.20._bn2.{name}"] for name in norm.state_dict() if name != "num_batches_tracked"},
        strict=False,
    )
    x = torch.randn(1, backbone.blocks[20].project.in_channels, 3, 3)
    expected = norm(nn.functional.conv2d(x, state["_blocks.20._project_conv.weight"]))
    torch.testing.assert_close(backbone.blocks[20].project(x), expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(classifier.weight, state["_fc.weight"])


def test_every_kind_of_label_is_drawn(data: Path) -> None:
    sets = mixture.open_sets(data)
    assert set(sets) == {"voc", "coco", "caltech101", "fruit"}
    random = np.random.default_rng(1)
    kinds = {item.draw(random).kind for item in sets.values()}
    assert kinds == {"classes", "picture", "box"}
    labels = [[thing.label for thing in item.things()] for item in sets.values()]
    assert labels == [["cat", "dog"], ["orange"], ["anchor", "ant"], ["apple"]]  # a crowd is no thing


def test_masks_and_boxes_lie_where_the_picture_does() -> None:
    rows, columns = np.mgrid[:80, :120]
    disc = (columns - 90) ** 2 + (rows - 30) ** 2 < 150
    pixels = np.stack([255 * disc] * 3, -1).astype(np.uint8)
    random = np.random.default_rng(3)
    for _ in range(20):
        view = views.draw_view((80, 120), (78, 18, 103, 43), random)
        bright = views.show(pixels, view)[0].numpy()[2::4, 2::4] > 0
        truth = views.show_truth(disc.astype(np.uint8), view).numpy()
        inside = truth != views.UNKNOWN
        assert (bright[inside] == (truth[inside] == 1)).mean() > 0.98
        box = views.show_box((78, 18, 103, 43), view, 128)
        if box and (truth == 1).sum() > 100:
            ys, xs = np.nonzero(truth == 1)
            assert (box[0], box[1]) == pytest.approx((xs.min(), ys.min()), abs=6)
            assert (box[2], box[3]) == pytest.approx((xs.max(), ys.max()), abs=6)


def test_the_closed_form_knows_what_the_classifier_knew() -> None:
    """Features made from a classifier must be named by words alone, before any training."""
    torch.manual_seed(0)
    names = ["cat", "dog", "car", "tree", "house", "fish", "apple", "piano"]
    classifier = nn.Linear(1280, len(names))
    sentences = Sentences(weights.read_sentences(None))
    labels = torch.arange(400) % len(names)
    directions = nn.functional.normalize(classifier.weight.detach(), dim=1)
    features = 4 * directions[labels] + 0.05 * torch.randn(400, 1280)
    begun = start.solve(features.numpy(), classifier, sentences, names)
    assert start.agreement(begun, features, labels, sentences(names)) > 0.95
    assert torch.linalg.norm((features - begun.mean) @ begun.projection.T, dim=1).mean() == pytest.approx(1, abs=1e-3)


def test_losses_fall_with_the_right_answer() -> None:
    truth = torch.zeros(8, 8, dtype=torch.int64)
    truth[:3], truth[6:] = 2, views.UNKNOWN
    right = torch.full((2, 8, 8), -6.0)
    right[1, :3] = 6
    good, bad = losses.classes_loss(right, truth), losses.classes_loss(-right, truth)
    assert good[0] < 0.01 < 1 < bad[0]
    assert good[1] < bad[1]
    changed = right.clone()
    changed[:, 6:] = 9  # where nothing is known, nothing counts
    assert losses.classes_loss(changed, truth)[0] == pytest.approx(good[0].item())
    unknown = torch.full((8, 8), views.UNKNOWN)
    assert [float(loss) for loss in losses.classes_loss(right, unknown)] == [0, 0]
    assert float(losses.everywhere_loss(right, unknown)) == 0
    assert losses.somewhere_loss(right[1], torch.ones(8, 8)) < 0.01 < losses.absent_loss(right[1:], torch.ones(8, 8))


def test_the_mean_is_folded_into_the_namer() -> None:
    torch.manual_seed(0)
    begun = start.Start(torch.randn(256, 1280) / 36, torch.rand(1280), torch.randn(256, 384))
    network = namer.NamerNetwork(begun).eval()
    nn.init.normal_(network.bent.weight)
    features, folded = torch.rand(3, 2560), network.tensors()
    expected = (
        network.bent(nn.functional.gelu(features @ folded["hidden.weight"].T + folded["hidden.bias"]))
        + network.around(features[:, :1280])
        + network.inside(features[:, 1280:])
    )
    torch.testing.assert_close(network(features), nn.functional.normalize(expected, dim=-1), atol=1e-4, rtol=1e-4)


def test_phrases() -> None:
    assert len(phrases.imagenet_names()) == 1000
    random = np.random.default_rng(0)
    said = {phrases.phrase("tie", phrases.COCO, random) for _ in range(200)}
    assert {"tie", "necktie", "a photo of a necktie", "the tie"} <= said
    vectors = torch.nn.functional.normalize(torch.randn(4, 384), dim=-1)
    near = [float((phrases.noisy(vectors, 0.015, random) * vectors).sum(1).min()) for _ in range(20)]
    assert max(near) == pytest.approx(1)
    assert 0.9 < min(near) < 0.99
