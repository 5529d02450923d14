"""What neither names and shapes nor the stored cases show: batches, independence, defaults, refusals."""

from typing import Any

import pytest
import torch
from seem_synthetic import SIZE, STROKE, class_bank, network_input, picture
from torch import Tensor
from torch.nn import functional as F

from promptseg.errors import PromptError
from promptseg.models.blocks.winograd import Conv3x3, winograd
from promptseg.models.seem.deformable import DeformableAttention
from promptseg.models.seem.pixel_features import PixelFeatures
from promptseg.models.seem.plan import memory_owners
from promptseg.models.seem.prompts import (
    Draws,
    PromptTokens,
    QueryOutput,
    SeemOutput,
    SeemPrompts,
    Touch,
    choose_by_region,
)
from promptseg.models.seem.seem import Seem
from promptseg.models.seem.text_encoder import phrase_tokens, used_part


def stroke(rows: slice = STROKE[0], columns: slice = STROKE[1]) -> Tensor:
    mask = torch.zeros(1, *SIZE, dtype=torch.bool)
    mask[0, rows, columns] = True
    return mask


OTHER = stroke(slice(62, 79), slice(82, 99))
NEGATIVE = stroke(slice(5, 13), slice(100, 116))
WORDS = [torch.tensor([[49406, 320, 736, 1615, 49407]]), torch.tensor([[49406, 1929, 49407]])]


def tokens(seem: Seem, *ids: Tensor) -> PromptTokens:
    return PromptTokens.of([phrase_tokens(seem.text(row)[0], row) for row in ids])


def repeated(features: PixelFeatures, count: int) -> PixelFeatures:
    return PixelFeatures(
        features.masks_BCHW.repeat(count, 1, 1, 1),
        tuple(level.repeat(count, 1, 1, 1) for level in features.levels_BCHW),
    )


def near(first: Tensor, second: Tensor, tolerance: float = 1e-4) -> None:
    torch.testing.assert_close(first, second, atol=tolerance, rtol=0)


@pytest.mark.parametrize("graph", ["v0", "v1", "demo"])
def test_a_batch_with_filling_equals_single_samples(focal_t: Seem, features: PixelFeatures, graph: Any):
    nothing = torch.zeros_like(NEGATIVE)
    touches = [Touch(positive=[stroke()], negative=[nothing]), Touch(positive=[OTHER], negative=[NEGATIVE])]
    both = Touch(positive=[stroke(), OTHER], negative=[nothing, NEGATIVE])
    previous = torch.stack([torch.linspace(-1, 1, 768).view(1, 24, 32), torch.linspace(1, -1, 768).view(1, 24, 32)])
    batch = focal_t.predictor(
        repeated(features, 2),
        SeemPrompts(touch=both, text=tokens(focal_t, *WORDS), previous_BOhw=previous),
        graph,
        bank_KC=class_bank(),
    )
    for index, touch in enumerate(touches):
        prompts = SeemPrompts(
            touch=touch, text=tokens(focal_t, WORDS[index]), previous_BOhw=previous[index : index + 1]
        )
        single = focal_t.predictor(features, prompts, graph, bank_KC=class_bank())
        for name in ("objects", "grounding", "spatial"):
            theirs, ours = getattr(single.last, name), getattr(batch.last, name)
            if graph == "demo" and name != "objects":
                assert theirs is None
                continue
            near(ours.masks_BQhw[index : index + 1], theirs.masks_BQhw)
        near(batch.last.class_logits_BQK[index : index + 1], single.last.class_logits_BQK, 1e-5)
    assert (batch.last.objects.masks_BQhw.diff(dim=0).abs().max() > 1e-3) == (graph == "demo")


def test_one_picture_serves_many_samples(focal_t: Seem, features: PixelFeatures):
    prompts = SeemPrompts(touch=Touch(positive=[stroke(), OTHER]))
    shared = focal_t.predictor(features, prompts, "demo")
    copied = focal_t.predictor(repeated(features, 2), prompts, "demo")
    near(shared.last.objects.masks_BQhw, copied.last.objects.masks_BQhw)


def test_objects_of_v1_do_not_influence_one_another(focal_t: Seem, features: PixelFeatures):
    both = Touch(positive=[torch.cat([stroke(), OTHER])])
    previous = torch.stack([torch.linspace(-1, 1, 768), torch.linspace(1, -1, 768)]).view(1, 2, 24, 32)
    together = focal_t.predictor(features, SeemPrompts(touch=both), "v1").last.spatial
    alone = focal_t.predictor(features, SeemPrompts(touch=Touch(positive=[OTHER])), "v1").last.spatial
    near(together.masks_BQhw[:, 3:], alone.masks_BQhw)
    remembered = focal_t.predictor(features, SeemPrompts(touch=both, previous_BOhw=previous), "v1").last.spatial
    assert (remembered.masks_BQhw - together.masks_BQhw).abs().max() > 1e-2
    swapped = previous.clone()
    swapped[:, 1] = 3 - swapped[:, 1]
    other = focal_t.predictor(features, SeemPrompts(touch=both, previous_BOhw=swapped), "v1").last.spatial
    near(other.masks_BQhw[:, :3], remembered.masks_BQhw[:, :3])
    assert (other.masks_BQhw[:, 3:] - remembered.masks_BQhw[:, 3:]).abs().max() > 1e-2


def test_samples_of_v1_may_differ_in_their_number_of_objects(focal_t: Seem, features: PixelFeatures):
    touch = Touch(positive=[torch.cat([stroke(), OTHER]), OTHER])
    output = focal_t.predictor(features, SeemPrompts(touch=touch), "v1")
    alone = focal_t.predictor(features, SeemPrompts(touch=Touch(positive=[OTHER])), "v1")
    assert output.last.spatial.masks_BQhw.shape[:2] == (2, 6)
    near(output.last.spatial.masks_BQhw[1:, :3], alone.last.spatial.masks_BQhw)
    assert (output.touch.positive_BOC[1, 1] == -1).all()
    assert (output.touch.negative_BOC == -1).all()


def _masks(output: SeemOutput, part: str = "objects") -> Tensor:
    return getattr(output.last, part).masks_BQhw


def test_v0_prompts_keep_apart_and_demo_agrees_with_each(focal_t: Seem, features: PixelFeatures):
    """Specification B7.7."""
    touch, text = Touch(positive=[stroke()]), tokens(focal_t, WORDS[0])
    run = focal_t.predictor
    both = run(features, SeemPrompts(touch=touch, text=text), "v0")
    only_touch = run(features, SeemPrompts(touch=touch), "v0")
    only_text = run(features, SeemPrompts(text=text), "v0")
    nothing = run(features, SeemPrompts(), "v0")
    assert nothing.last.grounding is None
    assert nothing.last.spatial is None
    near(_masks(both), _masks(nothing))
    near(_masks(both, "spatial"), _masks(only_touch, "spatial"))
    near(_masks(both, "grounding"), _masks(only_text, "grounding"))
    near(_masks(run(features, SeemPrompts(touch=touch), "demo")), _masks(only_touch, "spatial"))
    near(_masks(run(features, SeemPrompts(text=text), "demo")), _masks(only_text, "grounding"))
    mixed = run(features, SeemPrompts(touch=touch, text=text), "demo")
    assert (_masks(mixed) - _masks(only_touch, "spatial")).abs().max() > 1e-3
    spoken = run(features, SeemPrompts(audio=text), "demo")
    near(_masks(spoken), _masks(only_text, "grounding"))


def test_nothing_is_left_to_chance_unless_asked(focal_t: Seem, features: PixelFeatures):
    large = stroke(slice(0, 60), slice(0, 60))
    prompts = SeemPrompts(touch=Touch(positive=[large]))
    first, second = (focal_t.predictor(features, prompts, "v1") for _ in range(2))
    assert torch.equal(_masks(first, "spatial"), _masks(second, "spatial"))
    drawn = [
        focal_t.predictor(features, prompts, "v1", draws=Draws(generator=torch.Generator().manual_seed(seed)))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(_masks(drawn[0], "spatial"), _masks(drawn[1], "spatial"))
    assert not torch.equal(_masks(drawn[0], "spatial"), _masks(drawn[2], "spatial"))


def test_memories_are_shared_out():
    cpu = torch.device("cpu")
    assert memory_owners(1, 9, 32, Draws(), cpu).unique().tolist() == [0]
    even = memory_owners(3, 9, 32, Draws(), cpu)
    assert even.shape == (9, 32)
    assert torch.bincount(even[0]).tolist() == [11, 11, 10]
    drawn = memory_owners(3, 9, 32, Draws(generator=torch.Generator().manual_seed(0)), cpu)
    assert (drawn.diff(dim=1) >= 0).all()
    assert not torch.equal(drawn[0], drawn[1])
    given = torch.tensor([[2, 0, 1]])
    assert memory_owners(3, 1, 3, Draws(memory_owners_LM=given), cpu).tolist() == [[0, 1, 2]]


def test_a_query_that_would_see_nothing_sees_everything(focal_t: Seem, features: PixelFeatures):
    """All mask logits are negative, so every row of every attention mask would be closed."""
    shift = torch.zeros_like(features.masks_BCHW)
    blank = PixelFeatures(shift, features.levels_BCHW)
    bias = focal_t.predictor.mask_embed.layers[2].bias
    open_ = focal_t.predictor(blank, SeemPrompts(), "demo")
    blank_negative = PixelFeatures(shift - 1, features.levels_BCHW)
    with torch.no_grad():
        kept = bias.clone()
        bias.add_(100.0)
        closed = focal_t.predictor(blank_negative, SeemPrompts(), "demo")
        bias.copy_(kept)
    assert (closed.last.objects.masks_BQhw < 0).all()
    near(closed.last.objects.captions_BQC, open_.last.objects.captions_BQC, 1e-5)


def test_guides_are_resized_masks(features: PixelFeatures):
    embedding = torch.randn(1, 3, 512, generator=torch.Generator().manual_seed(0))
    masks = torch.einsum("bqc,bchw->bqhw", embedding, features.masks_BCHW)
    for level, guide in enumerate(features.guides):
        expected = F.interpolate(masks, features.grid(level), mode="bilinear", align_corners=False)
        near((embedding @ guide.transpose(1, 2)).unflatten(2, features.grid(level)), expected)
    assert features.guides is features.guides


def test_v1_chooses_among_the_queries_of_the_object():
    embeddings = torch.zeros(1, 6, 512)
    embeddings[0, :, 0] = torch.tensor([1.0, 3.0, 2.0, 9.0, 7.0, 8.0])
    queries = QueryOutput(masks_BQhw=torch.zeros(1, 6, 1, 1), captions_BQC=embeddings, mask_embeddings_BQC=embeddings)
    pooled = F.one_hot(torch.zeros(1, 2, dtype=torch.long), 512).float()
    assert choose_by_region(queries, pooled, per_object=True).tolist() == [[1, 3]]
    assert choose_by_region(queries, -pooled, per_object=True).tolist() == [[0, 4]]
    assert choose_by_region(queries, pooled, per_object=False).tolist() == [[3, 3]]


def test_memory_in_the_demo_graph_is_opt_in(focal_t: Seem, features: PixelFeatures):
    touch = Touch(positive=[stroke()])
    previous = torch.linspace(-1, 1, 768).view(1, 1, 24, 32)
    plain = focal_t.predictor(features, SeemPrompts(touch=touch), "demo")
    remembered = focal_t.predictor(features, SeemPrompts(touch=touch, previous_BOhw=previous), "demo")
    assert (_masks(plain) - _masks(remembered)).abs().max() > 1e-3


def test_the_sentence_ends_at_its_first_greatest_id(focal_t: Seem):
    padded = F.pad(WORDS[1], (0, 20), value=49407)
    assert used_part(torch.cat([padded, F.pad(WORDS[0], (0, 18), value=49407)])).shape == (2, 5)
    full, cut = focal_t.text(padded), focal_t.text(WORDS[1])
    near(full[1], cut[1], 1e-5)
    near(full[0][:, :3], cut[0], 1e-5)
    assert phrase_tokens(full[0], padded).shape == (3, 512)


def test_gradients_reach_prompts_and_predictor(focal_t: Seem, features: PixelFeatures):
    with torch.enable_grad():
        output = focal_t.predictor(
            features,
            SeemPrompts(touch=Touch(positive=[stroke()]), text=tokens(focal_t, WORDS[0])),
            "v1",
            bank_KC=class_bank(),
        )
        total = output.last.spatial.masks_BQhw.sum() + output.last.grounding.captions_BQC.sum()
        wanted = [
            focal_t.predictor.pn_indicator.weight,
            focal_t.predictor.mask_sptial_embed[2],
            focal_t.text.lang_proj,
            focal_t.predictor.transformer_ffn_layers[8].linear1.weight,
        ]
        for gradient in torch.autograd.grad(total, wanted):
            assert gradient.abs().max() > 0


def test_pictures_of_any_size_divisible_by_32(focal_t: Seem):
    pixels = picture(*SIZE, 0)[:90, :121]
    features = focal_t(network_input(pixels))
    assert features.size == SIZE
    region = focal_t.predictor.look(features, Touch(positive=[stroke()[:, :90, :121]]), "demo")
    same = focal_t.predictor.look(features, Touch(positive=[stroke()]), "demo")
    assert torch.equal(region.positive_BOC, same.positive_BOC)


@pytest.mark.parametrize(
    ("graph", "prompts", "draws", "message"),
    [
        ("v0", {"touch": Touch(positive=[torch.cat([stroke(), OTHER])])}, {}, r"2 objects in one sample .* graph 'v0'"),
        (
            "demo",
            {"touch": Touch(positive=[torch.cat([stroke(), OTHER])])},
            {},
            r"2 objects in one sample .* graph 'demo'",
        ),
        (
            "v1",
            {"touch": Touch(positive=[stroke()]), "previous_BOhw": torch.zeros(1, 2, 24, 32)},
            {},
            r"Previous masks of shape \(1, 2, 24, 32\)",
        ),
        (
            "v1",
            {"touch": Touch(positive=[stroke()])},
            {"query_choice": torch.arange(4)},
            r"choice of \(4,\) queries was given for 1 objects",
        ),
        (
            "demo",
            {"touch": Touch(positive=[stroke()] * 2), "previous_BOhw": torch.zeros(3, 1, 24, 32)},
            {},
            "do not fit: 1 pictures, 2 touch, 3 previous masks",
        ),
    ],
)
def test_prompts_that_do_not_fit_are_refused(focal_t, features, graph, prompts, draws, message):
    with pytest.raises(PromptError, match=message):
        focal_t.predictor(features, SeemPrompts(**prompts), graph, draws=Draws(**draws))


def test_touches_for_other_pictures_are_refused(focal_t, features):
    with pytest.raises(PromptError, match="3 samples were given for 2 pictures"):
        focal_t.predictor.look(repeated(features, 2), Touch(positive=[stroke()] * 3), "demo")


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (24, 32), (50, 45)])
def test_fast_convolution_is_the_plain_one(size):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 16, *size, generator=generator, dtype=torch.float64)
    weight = torch.randn(8, 16, 3, 3, generator=generator, dtype=torch.float64)
    bias = torch.randn(8, generator=generator, dtype=torch.float64)
    near(winograd(x, weight, bias), F.conv2d(x, weight, bias, padding=1), 1e-10)


def test_fast_convolution_is_taken_for_large_grids_without_gradients():
    conv = Conv3x3(4, 4)
    large, small = torch.randn(1, 4, 64, 64), torch.randn(1, 4, 8, 8)
    assert conv(large).is_contiguous(memory_format=torch.channels_last)
    assert conv(small).is_contiguous()
    with torch.enable_grad():
        trained = conv(large)
    assert trained.requires_grad
    near(trained, conv(large), 1e-5)


def test_deformable_attention_samples_without_aligned_corners():
    attention = DeformableAttention(4)
    generator = torch.Generator().manual_seed(0)
    for parameter in attention.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    sizes = [(2, 3), (4, 5), (6, 7)]
    cells = sum(height * width for height, width in sizes)
    query, value = torch.randn(2, 2, cells, 512, generator=generator)
    centres = torch.rand(cells, 2, generator=generator)
    found = attention(query, value, centres, sizes)
    near(found, _deformable_by_definition(attention, query, value, centres, sizes), 1e-4)


def _deformable_by_definition(
    attention: DeformableAttention, query: Tensor, value: Tensor, centres: Tensor, sizes: list[tuple[int, int]]
) -> Tensor:
    batch, cells = query.shape[:2]
    offsets = attention.sampling_offsets(query).view(batch, cells, 8, 3, 4, 2)
    weights = attention.attention_weights(query).view(batch, cells, 8, 12).softmax(-1).view(batch, cells, 8, 3, 4)
    values = attention.value_proj(value).split([h * w for h, w in sizes], 1)
    out = torch.zeros(batch, cells, 8, 64)
    for level, (height, width) in enumerate(sizes):
        maps = values[level].view(batch, height, width, 8, 64).permute(0, 3, 4, 1, 2)
        place = centres[None, :, None, None] + offsets[:, :, :, level] / torch.tensor([width, height])
        for head in range(8):
            seen = F.grid_sample(maps[:, head], 2 * place[:, :, head] - 1, align_corners=False)
            out[:, :, head] += (seen * weights[:, None, :, head, level]).sum(-1).transpose(1, 2)
    return attention.output_proj(out.flatten(2))


def test_gradients_reach_the_pixel_decoder(focal_t: Seem, features: PixelFeatures):
    weight = focal_t.pixel_decoder.adapter_2.weight
    with torch.enable_grad():
        trained = focal_t(network_input(picture(*SIZE, 0)))
        (gradient,) = torch.autograd.grad(trained.masks_BCHW.square().sum(), weight)
    assert gradient.abs().max() > 0
    near(trained.masks_BCHW, features.masks_BCHW, 1e-5)
