"""The retouching network: what it sees, by hand; that graph and module agree; that it begins by changing nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from promptseg.models.companions.retouch import (
    MAPS,
    MARGIN,
    NAME,
    OUTSIDE,
    PIXELS,
    STEP,
    RetouchInputs,
    RetouchNetwork,
    retouch_inputs,
    window,
)
from promptseg.models.companions.retouch_network import EMBEDDING, Retouch
from promptseg.models.graphs.stored import graph_manifest
from promptseg.models.registry import CARDS, companions_of, loaded
from promptseg.runtimes.onnx_graphs import OnnxGraphs

MODEL = "mobile-sam-clicks"


def some_inputs(rows: int, columns: int) -> RetouchInputs:
    random = np.random.default_rng(rows)
    sizes = (PIXELS, rows, columns), (MAPS, rows, columns), (EMBEDDING, rows // 4, columns // 4)
    return RetouchInputs(*(random.normal(size=(1, *size)).astype(np.float32) for size in sizes))


def tensors_of(inputs: RetouchInputs) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in inputs.feeds().values()]


@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (48, 80), (256, 192)])
def test_the_graph_and_the_module_agree(rows, columns):
    known = loaded(RetouchNetwork.read, companions_of(MODEL).retouch)
    module = Retouch().eval()
    module.load_state_dict({name: torch.tensor(array) for name, array in known.tensors.items()})
    inputs = some_inputs(rows, columns)
    with torch.no_grad():
        expected = module(*tensors_of(inputs))[0, 0].numpy()
    assert expected.std() > 1
    found = OnnxGraphs(known, threads=1).run(NAME, inputs.feeds())[0][0, 0]
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_the_package_holds_what_the_graph_reads():
    entry = graph_manifest()["models"][NAME][NAME]
    known = loaded(RetouchNetwork.read, companions_of(MODEL).retouch)
    assert {name: list(array.shape) for name, array in known.tensors.items()} == entry["shapes"]
    assert sorted(entry["tensors"]) == sorted(entry["shapes"])
    assert sum(array.size for array in known.tensors.values()) == 223_693
    assert [card.name for card in CARDS if card.companions.retouch] == [MODEL]
    assert not companions_of("mobile-sam").retouch


def test_without_training_it_changes_nothing():
    inputs = some_inputs(32, 32)
    with torch.no_grad():
        answer = Retouch()(*tensors_of(inputs))
    np.testing.assert_allclose(answer[0, 0], inputs.maps[0, 0] * 5, rtol=1e-6)


def test_every_layer_has_its_part():
    """Each input and each tensor changes the answer."""
    torch.manual_seed(0)
    module = Retouch()
    torch.nn.init.normal_(module.change.weight)
    tensors = [tensor.requires_grad_() for tensor in tensors_of(some_inputs(32, 48))]
    with torch.enable_grad():
        module(*tensors).square().sum().backward()
    for tensor in (*tensors, *module.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.abs().max() > 0


def masks(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    return (np.full((rows, columns), -5.0, np.float32) for _ in range(2))  # type: ignore[return-value]


def test_a_window_by_hand():
    logits, before = masks(200, 256)
    logits[100:120, 60:90] = 3
    before[110:130, 80:100] = 3
    clicks = np.array([(70.5, 105.5, 1), (150.5, 20.5, 0)], np.float32)
    # Rows 20.5 - 16 = 4.5, so from 0, to 129 + 16 = 145, so 160 rows; columns 60 - 16 = 44, so from 32, to 166.5.
    assert window(logits, before, clicks) == (slice(0, 160), slice(32, 32 + 144))


def test_a_window_without_a_mask_is_about_the_click():
    logits, before = masks(256, 40)
    assert window(logits, before, np.array([(39.5, 250.5, 0)], np.float32)) == (slice(224, 256), slice(16, 48))


@given(
    rows=st.integers(1, 256),
    columns=st.integers(1, 256),
    random=st.randoms(use_true_random=False),
    objects=st.integers(0, 2),
    clicked=st.integers(1, 3),
)
def test_a_window_holds_masks_and_clicks(rows, columns, random, objects, clicked):
    both = list(masks(rows, columns))
    for logits in both[:objects]:
        logits[random.randrange(rows) :, random.randrange(columns) :] = 1
    clicks = [(random.random() * columns, random.random() * rows, random.random() < 0.5) for _ in range(clicked)]
    place = window(*both, np.array(clicks, np.float32))
    seen = np.maximum(*both) > 0
    for part, length, lines, places in (
        (place[0], rows, seen.any(1), [y for _, y, _ in clicks]),
        (place[1], columns, seen.any(0), [x for x, _, _ in clicks]),
    ):
        found = [*np.flatnonzero(lines).tolist(), *places]
        assert part.start % STEP == 0
        assert (part.stop - part.start) % STEP == 0
        assert 0 <= part.start <= max(0, min(found) - MARGIN) + 1e-3
        assert part.stop >= min(length, max(found) + MARGIN) - 1e-3


def test_what_it_sees_by_hand():
    rows, columns = 24, 40
    logits, before = masks(rows, columns)
    logits[:8] = 30
    logits[9] = -500  # SAM's logits know no bounds
    before[:, :20] = 1
    clicks = np.array([(18.5, 2.5, 1), (33.5, 20.5, 0), (30.5, 4.5, 1)], np.float32)
    shades = np.zeros((2 * rows, 2 * columns, 3), np.uint8)
    shades[5, 33] = (255, 0, 51)  # the lower right pixel of the cell in row 2, column 16
    embedding = np.arange(EMBEDDING * 64 * 64, dtype=np.float32).reshape(1, EMBEDDING, 64, 64)
    found = retouch_inputs(shades, logits, before, clicks, embedding, (slice(0, 32), slice(16, 48)))
    assert found.pixels.shape == (1, PIXELS, 32, 32)
    assert found.embedding.shape == (1, EMBEDDING, 8, 8)
    np.testing.assert_array_equal(found.embedding, embedding[:, :, :8, 4:12])

    black = -0.45 / 0.25
    np.testing.assert_allclose(found.pixels[0, :, 2, 0], [*[black] * 9, 0.55 / 0.25, black, -0.25 / 0.25], rtol=1e-5)
    np.testing.assert_allclose(found.pixels[0, :, 3, 5], black, rtol=1e-5)
    assert (found.pixels[0, :, 24:] == 0).all(), "beyond the picture"
    assert (found.pixels[0, :, :, 24:] == 0).all()

    maps = found.maps[0]
    assert maps[0, 0, 0] == 3, "logits are held within 15, a fifth of which is seen"
    assert maps[0, 9, 0] == -3
    assert maps[0, 10, 0] == -1
    np.testing.assert_allclose(maps[1, 10, 0], 1 / (1 + np.exp(5)) - 0.5, rtol=1e-4)
    assert maps[2, 10, 0] == pytest.approx(0.2)
    assert maps[0, 30, 0] == OUTSIDE / 5
    # The clicks in cells of the window: (2.5, 2.5) and (14.5, 4.5) on the object, (17.5, 20.5) beside it.
    assert maps[4, 2, 2] == maps[4, 4, 14] == maps[5, 20, 17] == 1
    np.testing.assert_allclose(maps[4, 2, 5], np.exp(-9 / 8), rtol=1e-5)
    np.testing.assert_allclose(maps[6, 2, 5], np.exp(-3 / 12), rtol=1e-5)
    np.testing.assert_allclose(maps[7, 24, 20], np.exp(-5 / 12), rtol=1e-5)
    np.testing.assert_allclose(maps[8, 4, 17], np.exp(-9 / 8), rtol=1e-5)
    np.testing.assert_allclose(maps[9, 8, 17], np.exp(-5 / 12), rtol=1e-5)


def test_a_newest_click_beside_the_object_is_negative_and_no_click_is_nowhere():
    logits, before = masks(32, 32)
    shades = np.zeros((64, 64, 3), np.uint8)
    embedding = np.zeros((1, EMBEDDING, 64, 64), np.float32)
    place = (slice(0, 32), slice(0, 32))
    clicks = np.array([(8.5, 8.5, 0)], np.float32)
    maps = retouch_inputs(shades, logits, before, clicks, embedding, place).maps[0]
    assert maps[8, 8, 8] == maps[9, 8, 8] == -1
    assert not maps[[4, 6]].any()
