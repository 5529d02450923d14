"""Mistakes that no check of names and shapes can catch (specification D1), with controls that make them."""

import pytest
import torch
from sam_synthetic import difference, fill, normal
from torch.nn import functional as F

from promptseg.models.blocks.norms import LayerNorm2d
from promptseg.models.blocks.tokens import as_map, as_tokens
from promptseg.models.blocks.windows import join_windows, split_windows
from promptseg.models.sam import image_encoder_vit as vit
from promptseg.models.sam import tiny_vit, transformer
from promptseg.models.sam.config import DecoderConfig, TinyViTConfig, ViTConfig
from promptseg.models.sam.sam import build_sam

CLEAR = 1e-2
"""A mistake must change the result by more than this, or the test proves nothing."""


def attention_pair(official, side):
    theirs = official.vit.Attention(64, num_heads=2, use_rel_pos=True, input_size=(side, side))
    ours = vit.VitAttention(64, 2, side)
    fill(theirs, ours)
    return theirs, ours


@pytest.mark.parametrize("side", [14, 64])
def test_relative_positions_take_the_unscaled_query(official, monkeypatch, side):
    theirs, ours = attention_pair(official, side)
    x = normal("tokens", 1, side, side, 64)
    expected = theirs(x).flatten(1, 2)
    assert difference(ours(x.flatten(1, 2), (side, side)), expected) <= 1e-5
    unscaled = vit.VitAttention._offsets
    for mistake in (
        lambda self, q, size: unscaled(self, q * q.shape[-1] ** -0.5, size),
        lambda self, q, size: unscaled(self, q, size).roll(size[0], -1),
        lambda self, q, size: unscaled(self, q, size) * 0,
    ):
        monkeypatch.setattr(vit.VitAttention, "_offsets", mistake)
        assert difference(ours(x.flatten(1, 2), (side, side)), expected) > CLEAR


def test_relative_table_is_gathered_by_distance():
    table = normal("table", 9, 3)
    laid_out = vit.relative_table(table, 5)
    for query in range(5):
        for key in range(5):
            assert torch.equal(laid_out[query, key], table[query - key + 4])


def test_relative_table_of_another_length_is_interpolated(official):
    table = normal("table", 27, 8)
    assert difference(vit.relative_table(table, 20), official.vit.get_rel_pos(20, 20, table)) <= 1e-6
    theirs, ours = attention_pair(official, 14)
    x = normal("oblong", 2, 10, 6, 64)
    assert difference(ours(x.flatten(1, 2), (10, 6)), theirs(x).flatten(1, 2)) <= 1e-5


def test_fused_and_plain_attention_agree(monkeypatch):
    ours = vit.VitAttention(32, 2, 32)
    fill(ours)
    x = normal("fused", 1, 1024, 32)
    fused = ours(x, (32, 32))
    monkeypatch.setattr(vit, "FUSED_FROM", 10**9)
    assert difference(ours(x, (32, 32)), fused) <= 1e-5


def test_vit_pads_after_the_norm(official):
    config = ViTConfig(channels=64, depth=1, heads=2, global_blocks=())
    block = vit.VitBlock(config, 0)
    theirs = official.vit.Block(
        64, 2, norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6), use_rel_pos=True, window_size=14
    )
    fill(theirs, block)
    x = normal("grid", 1, 20, 17, 64)
    assert difference(block(x), theirs(x)) <= 1e-5
    windows = block.attn(block.norm1(split_windows(x.flatten(1, 2), 14, (20, 17))), (14, 14))
    mistaken = x + join_windows(windows, 14, (20, 17)).unflatten(1, (20, 17))
    assert difference(mistaken + block.mlp(block.norm2(mistaken)), theirs(x)) > CLEAR


def test_tiny_vit_pads_before_the_norm(official):
    ours = tiny_vit.TinyViTBlock(64, 2, 7, 4)
    theirs = official.tiny.TinyViTBlock(64, (16, 10), 2, window_size=7)
    fill(theirs, ours)
    x, size = normal("tokens", 1, 160, 64), (16, 10)
    expected = theirs(x)
    assert difference(ours(x, size), expected) <= 1e-5
    norm, theirs.attn.norm = theirs.attn.norm, torch.nn.Identity()
    seen = x + join_windows(theirs.attn(split_windows(norm(x), 7, size)), 7, size)
    seen = as_tokens(ours.local_conv(as_map(seen, size)))
    assert difference(seen + ours.mlp(seen), expected) > CLEAR


def test_tiny_vit_splits_q_k_v_inside_each_head(official):
    ours = tiny_vit.WindowAttention(64, 2, 7)
    theirs = official.tiny.Attention(64, 32, 2, attn_ratio=1, resolution=(7, 7))
    fill(theirs, ours)
    x = normal("window", 3, 49, 64)
    expected = theirs(x)
    assert difference(ours(x), expected) <= 1e-5
    ours.qkv.weight.copy_(ours.qkv.weight.unflatten(0, (3, 2, 32)).transpose(0, 1).flatten(0, 2))
    assert difference(ours(x), expected) > CLEAR


def test_tiny_vit_bias_is_never_stale(official):
    """The official module caches the bias in eval() and ignores weights loaded later. Ours must follow."""
    ours = tiny_vit.WindowAttention(64, 2, 7).eval()
    theirs = official.tiny.Attention(64, 32, 2, attn_ratio=1, resolution=(7, 7))
    theirs.eval()  # returns None: the official train() does
    weights = {key: normal(key, *value.shape) * 0.3 for key, value in ours.state_dict().items()}
    ours.load_state_dict(weights)
    theirs.load_state_dict(weights)
    x = normal("window", 3, 49, 64)
    assert difference(ours(x), theirs(x)) > CLEAR, "control: the official module is stale here"
    theirs.eval()
    assert difference(ours(x), theirs(x)) <= 1e-5
    before = ours(x)
    ours.attention_biases.add_(normal("new biases", 2, 49))
    assert difference(ours(x), before) > CLEAR


@pytest.mark.parametrize("side", [2, 7, 14])
def test_tiny_vit_offsets_stand_in_the_order_first_seen(side):
    cells = [(y, x) for y in range(side) for x in range(side)]
    seen: dict[tuple[int, int], int] = {}
    expected = [[seen.setdefault((abs(a[0] - b[0]), abs(a[1] - b[1])), len(seen)) for b in cells] for a in cells]
    assert tiny_vit.offset_index(side).tolist() == expected


def test_mb_conv_activates_after_the_shortcut(official):
    ours, theirs = tiny_vit.MBConv(8, 4), official.tiny.MBConv(8, 8, 4.0, torch.nn.GELU, 0.0)
    fill(theirs, ours)
    x = normal("map", 2, 8, 9, 9)
    expected = theirs(x.clone())
    assert difference(ours(x), expected) <= 1e-5
    mistaken = x + F.gelu(ours.conv3(F.gelu(ours.conv2(F.gelu(ours.conv1(x))))))
    assert difference(mistaken, expected) > CLEAR


def test_last_stage_of_tiny_vit_keeps_its_grid():
    encoder = tiny_vit.TinyViT(TinyViTConfig()).eval()
    sides, x = [], encoder.patch_embed(normal("picture", 1, 3, 256, 256))
    for stage in encoder.layers:
        sides.append(x.shape[-1] * 4)  # as for a picture of 1024
        x = stage(x)
    assert sides == [256, 128, 64, 64]
    assert encoder.layers[2].downsample.conv2.c.stride == (1, 1)


@pytest.mark.parametrize(("size", "side"), [((5, 7), 3), ((14, 14), 7), ((4, 4), 14), ((64, 64), 14)])
def test_windows_equal_a_loop(size, side):
    height, width = size
    x = normal("grid", 2, height, width, 3)
    windows = split_windows(x.flatten(1, 2), side, size)
    looped = []
    for picture in x:
        for top in range(0, height, side):
            for left in range(0, width, side):
                window = torch.zeros(side, side, 3)
                part = picture[top : top + side, left : left + side]
                window[: part.shape[0], : part.shape[1]] = part
                looped.append(window.flatten(0, 1))
    assert torch.equal(windows, torch.stack(looped))
    assert torch.equal(join_windows(windows, side, size), x.flatten(1, 2))


def test_windowed_attention_equals_a_loop():
    config = ViTConfig(channels=32, depth=1, heads=2, global_blocks=(), window=4)
    block = vit.VitBlock(config, 0)
    fill(block)
    x = normal("grid", 1, 6, 9, 32)
    normed = F.pad(block.norm1(x), (0, 0, 0, 3, 0, 2))
    seen = torch.zeros_like(normed)
    for top in range(0, 8, 4):
        for left in range(0, 12, 4):
            cut = normed[:, top : top + 4, left : left + 4]
            seen[:, top : top + 4, left : left + 4] = block.attn(cut.flatten(1, 2), (4, 4)).unflatten(1, (4, 4))
    looped = x + seen[:, :6, :9]
    assert difference(block(x), looped + block.mlp(block.norm2(looped))) <= 1e-5


def test_first_layer_has_no_shortcut_and_no_positions(official):
    tokens, image = normal("tokens", 2, 6, 256), normal("image", 2, 64, 256)
    positions, none = normal("positions", 1, 64, 256), torch.zeros(2, 1, 1, 6)
    for first in (True, False):
        theirs = official.transformer.TwoWayAttentionBlock(256, 8, skip_first_layer_pe=first)
        ours = transformer.TwoWayLayer(DecoderConfig(), first=first)
        fill(theirs, ours)
        prompt = tokens if first else normal("prompt", 2, 6, 256)
        expected = theirs(tokens, image, prompt, positions)
        for given, wanted in zip(ours(tokens, image, prompt, positions, none), expected, strict=True):
            assert difference(given, wanted) <= 1e-5
        ours.first = not first
        mistaken = ours(tokens, image, prompt, positions, none)
        assert difference(mistaken[0], expected[0]) > CLEAR


def test_points_are_shifted_by_half_a_pixel_of_the_model_frame(mobile_pair):
    encoder = mobile_pair[1].prompt_encoder
    points, labels = torch.tensor([[[10.0, 700.0]]]), torch.tensor([[1]])
    angles = 2 * torch.pi * ((2 * (points + 0.5) / 1024 - 1) @ encoder.pe_layer.positional_encoding_gaussian_matrix)
    expected = torch.cat([angles.sin(), angles.cos()], -1) + encoder.point_embeddings[1].weight
    assert difference(encoder.sparse_tokens(points, labels), expected) <= 1e-4
    assert difference(encoder.sparse_tokens(points + 0.5, labels), expected) > 1e-3
    assert difference(encoder.sparse_tokens(points - 0.5, labels), expected) > 1e-3


def test_pad_and_absent_tokens_hold_no_position(mobile_pair):
    encoder = mobile_pair[1].prompt_encoder
    tokens = encoder.sparse_tokens(torch.full((1, 2, 2), torch.nan), torch.tensor([[-1, -2]]))
    assert torch.equal(tokens[0, 0], encoder.not_a_point_embed.weight[0])
    assert not tokens[0, 1].any()


def test_norms_have_their_official_eps():
    with torch.device("meta"):
        tiny, plain = build_sam("mobile-sam"), build_sam("sam-vit-b")
    eps = lambda module, kind: {m.eps for m in module.modules() if isinstance(m, kind)}  # noqa: E731
    assert eps(plain.image_encoder, torch.nn.LayerNorm) == {1e-6}
    assert eps(tiny.image_encoder, torch.nn.LayerNorm) == {1e-5}
    assert eps(tiny.image_encoder, torch.nn.BatchNorm2d) == {1e-5}
    assert eps(tiny.mask_decoder, torch.nn.LayerNorm) == {1e-5}
    assert eps(tiny, LayerNorm2d) == eps(plain, LayerNorm2d) == {1e-6}


def test_layer_norm_2d(official):
    ours, theirs = LayerNorm2d(6), official.common.LayerNorm2d(6)
    fill(theirs, ours)
    x = 1e-3 * normal("map", 2, 6, 5, 4)  # so small that eps matters
    assert difference(ours(x), theirs(x)) <= 1e-5
    ours.eps = 1e-5
    assert difference(ours(x), theirs(x)) > CLEAR
