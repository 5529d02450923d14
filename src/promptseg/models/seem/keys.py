"""Names and shapes of the official SEEM checkpoints, from plain numbers. Needs no torch."""

from collections.abc import Iterator, Mapping

from promptseg.errors import WeightsError
from promptseg.models.sam import keys as sam_keys
from promptseg.models.seem.config import (
    CHANNELS,
    FEED_FORWARD,
    HEADS,
    FocalConfig,
    PixelDecoderConfig,
    PredictorConfig,
    SamBackboneConfig,
    TextConfig,
    seem_config,
)

Shape = tuple[int, ...]
Entries = Iterator[tuple[str, Shape]]

CLASSES = 133
"""Classes of the closed vocabulary that the official networks were trained with, background not counted."""


def expected_shapes(name: str) -> dict[str, Shape]:
    """Returns every name and shape of a network's official state dict, in its order.

    Raises:
        WeightsError: there is no such network.
    """
    config = seem_config(name)
    backbone, decoder = config.backbone, config.pixel_decoder
    pyramid = _deformable if decoder.deformable else _transformer_fpn
    return {
        "dilation_kernel": (1, 1, 3, 3),
        **dict(_under("backbone", _focal(backbone) if isinstance(backbone, FocalConfig) else _sam(backbone))),
        **dict(_under("sem_seg_head.pixel_decoder", pyramid(backbone.widths, decoder))),
        **dict(_under("sem_seg_head.predictor", _predictor(config.predictor, config.text))),
        "criterion.empty_weight": (CLASSES + 1,),
    }


def is_unused(key: str) -> bool:
    """Whether it is a buffer of the official training code, on which no prediction depends."""
    return key == "dilation_kernel" or key.startswith("criterion.")


def check_state_dict(name: str, shapes: Mapping[str, Shape]) -> None:
    """Checks that the names and shapes are those of a network's official checkpoint.

    Buffers of the training code (`is_unused`) may be there or not.

    Args:
        name: the network, such as "seem-focal-t".
        shapes: name and shape of every given tensor.

    Raises:
        WeightsError: names the first tensor that is missing, unexpected or of another shape.
    """
    expected = {key: shape for key, shape in expected_shapes(name).items() if not is_unused(key)}
    for key, shape in expected.items():
        if key not in shapes:
            raise WeightsError(
                f"This is not a checkpoint of {name}: {key} is missing (expected shape {shape}; "
                f"{len(shapes)} tensors were given, {len(expected)} expected)."
            )
        if tuple(shapes[key]) != shape:
            raise WeightsError(
                f"This is not a checkpoint of {name}: {key} has shape {tuple(shapes[key])}, expected {shape}."
            )
    for key, shape in shapes.items():
        if key not in expected and not is_unused(key):
            raise WeightsError(
                f"This is not a checkpoint of {name}: {key} of shape {tuple(shape)} is unexpected."
            )


def _under(prefix: str, entries: Entries) -> Entries:
    return ((f"{prefix}.{key}", shape) for key, shape in entries)


def _weight_bias(prefix: str, *shape: int, bias: int | None = None) -> Entries:
    """A weight of `shape` and a bias as long as its first axis, or as `bias` says."""
    yield f"{prefix}.weight", shape
    yield f"{prefix}.bias", (shape[0] if bias is None else bias,)


def _packed_attention(prefix: str) -> Entries:
    yield f"{prefix}.in_proj_weight", (3 * CHANNELS, CHANNELS)
    yield f"{prefix}.in_proj_bias", (3 * CHANNELS,)
    yield from _weight_bias(f"{prefix}.out_proj", CHANNELS, CHANNELS)


def _patch_embed(prefix: str, outputs: int, inputs: int, kernel: int) -> Entries:
    yield from _weight_bias(f"{prefix}.proj", outputs, inputs, kernel, kernel)
    yield from _weight_bias(f"{prefix}.norm", outputs)


def _focal(config: FocalConfig) -> Entries:
    widths = config.widths
    yield from _patch_embed("patch_embed", widths[0], 3, 7)
    for stage, (width, depth) in enumerate(zip(widths, config.depths, strict=True)):
        for number in range(depth):
            yield from _under(f"layers.{stage}.blocks.{number}", _focal_block(config, width))
        if stage + 1 < len(widths):
            yield from _patch_embed(f"layers.{stage}.downsample", 2 * width, width, 3)
    for stage, width in enumerate(widths):
        yield from _weight_bias(f"norm{stage}", width)


def _focal_block(config: FocalConfig, width: int) -> Entries:
    yield "gamma_1", (width,)
    yield "gamma_2", (width,)
    if config.depthwise:
        yield from _weight_bias("dw1", width, 1, 3, 3)
    yield from _weight_bias("norm1", width)
    yield from _weight_bias("modulation.f", 2 * width + config.levels + 1, width)
    yield from _weight_bias("modulation.h", width, width, 1, 1)
    yield from _weight_bias("modulation.proj", width, width)
    for level in range(config.levels):
        kernel = config.first_kernel + 2 * level
        yield f"modulation.focal_layers.{level}.0.weight", (width, 1, kernel, kernel)
    if config.depthwise:
        yield from _weight_bias("dw2", width, 1, 3, 3)
    yield from _weight_bias("norm2", width)
    yield from _weight_bias("mlp.fc1", width * config.mlp_ratio, width)
    yield from _weight_bias("mlp.fc2", width, width * config.mlp_ratio)


def _sam(config: SamBackboneConfig) -> Entries:
    for key, shape in sam_keys.expected_shapes(config.name).items():
        part, _, inner = key.partition(".")
        if part == "image_encoder" and not inner.startswith("neck."):
            yield inner, shape
    width = config.encoder.channels
    half, double, (w4, w8, w16, w32) = max(256, width // 2), max(config.widths[3], 2 * width), config.widths
    yield from _weight_bias("neck.down_4.0", width, half, 2, 2, bias=half)
    yield from _weight_bias("neck.down_4.1", half)
    yield from _weight_bias("neck.down_4.3", half, half // 2, 2, 2, bias=half // 2)
    yield from _weight_bias("neck.down_4.4", half // 2)
    yield from _finish("neck.down_4", 5, half // 2, w4)
    yield from _weight_bias("neck.down_8.0", width, half, 2, 2, bias=half)
    yield from _weight_bias("neck.down_8.1", half)
    yield from _finish("neck.down_8", 2, half, w8)
    yield from _finish("neck.down_16", 0, width, w16)
    yield from _weight_bias("neck.down_32.0", double, width, 2, 2)
    yield from _weight_bias("neck.down_32.1", double)
    yield from _finish("neck.down_32", 2, double, w32)


def _finish(prefix: str, start: int, inputs: int, outputs: int) -> Entries:
    yield from _weight_bias(f"{prefix}.{start}", outputs, inputs, 1, 1)
    yield from _weight_bias(f"{prefix}.{start + 1}", outputs)


def _normed_conv(prefix: str, inputs: int, kernel: int) -> Entries:
    yield f"{prefix}.weight", (CHANNELS, inputs, kernel, kernel)
    yield from _weight_bias(f"{prefix}.norm", CHANNELS)


def _transformer_fpn(widths: tuple[int, ...], config: PixelDecoderConfig) -> Entries:
    for number, width in enumerate(widths[:3], 1):
        yield from _normed_conv(f"adapter_{number}", width, 1)
        yield from _normed_conv(f"layer_{number}", CHANNELS, 3)
    yield from _weight_bias("mask_features", CHANNELS, CHANNELS, 3, 3)
    yield from _weight_bias("input_proj", CHANNELS, widths[3], 1, 1)
    for number in range(config.depth):
        layer = f"transformer.encoder.layers.{number}"
        yield from _packed_attention(f"{layer}.self_attn")
        yield from _weight_bias(f"{layer}.linear1", config.feed_forward, CHANNELS)
        yield from _weight_bias(f"{layer}.linear2", CHANNELS, config.feed_forward)
        yield from _weight_bias(f"{layer}.norm1", CHANNELS)
        yield from _weight_bias(f"{layer}.norm2", CHANNELS)
    yield from _normed_conv("layer_4", CHANNELS, 3)


def _deformable(widths: tuple[int, ...], config: PixelDecoderConfig) -> Entries:
    coarser = list(reversed(widths[1:]))
    for number, width in enumerate(coarser):
        yield from _weight_bias(f"input_proj.{number}.0", CHANNELS, width, 1, 1)
        yield from _weight_bias(f"input_proj.{number}.1", CHANNELS)
    yield "transformer.level_embed", (len(coarser), CHANNELS)
    samples = HEADS * len(coarser) * config.points
    for number in range(config.depth):
        layer = f"transformer.encoder.layers.{number}"
        yield from _weight_bias(f"{layer}.self_attn.sampling_offsets", 2 * samples, CHANNELS)
        yield from _weight_bias(f"{layer}.self_attn.attention_weights", samples, CHANNELS)
        yield from _weight_bias(f"{layer}.self_attn.value_proj", CHANNELS, CHANNELS)
        yield from _weight_bias(f"{layer}.self_attn.output_proj", CHANNELS, CHANNELS)
        yield from _weight_bias(f"{layer}.norm1", CHANNELS)
        yield from _weight_bias(f"{layer}.linear1", config.feed_forward, CHANNELS)
        yield from _weight_bias(f"{layer}.linear2", CHANNELS, config.feed_forward)
        yield from _weight_bias(f"{layer}.norm2", CHANNELS)
    yield from _weight_bias("mask_features", CHANNELS, CHANNELS, 1, 1)
    yield from _normed_conv("adapter_1", widths[0], 1)
    yield from _normed_conv("layer_1", CHANNELS, 3)


def _predictor(config: PredictorConfig, text: TextConfig) -> Entries:
    yield "class_embed", (CHANNELS, CHANNELS)
    for kind, inner in (("self", "self_attn"), ("cross", "multihead_attn")):
        for number in range(config.depth):
            layer = f"transformer_{kind}_attention_layers.{number}"
            yield from _packed_attention(f"{layer}.{inner}")
            yield from _weight_bias(f"{layer}.norm", CHANNELS)
    for number in range(config.depth):
        layer = f"transformer_ffn_layers.{number}"
        yield from _weight_bias(f"{layer}.linear1", FEED_FORWARD, CHANNELS)
        yield from _weight_bias(f"{layer}.linear2", CHANNELS, FEED_FORWARD)
        yield from _weight_bias(f"{layer}.norm", CHANNELS)
    yield from _weight_bias("decoder_norm", CHANNELS)
    yield "query_feat.weight", (config.queries, CHANNELS)
    yield "query_embed.weight", (config.queries, CHANNELS)
    yield "level_embed.weight", (config.levels, CHANNELS)
    yield from _under("lang_encoder", _text_encoder(text))
    for number in range(3):
        yield from _weight_bias(f"mask_embed.layers.{number}", CHANNELS, CHANNELS)
    for number in range(config.levels):
        yield f"mask_sptial_embed.{number}", (CHANNELS, CHANNELS)
    yield "spatial_embed.weight", (config.memories, CHANNELS)
    yield "spatial_featured.weight", (config.memories, CHANNELS)
    yield "pn_indicator.weight", (2, CHANNELS)


def _text_encoder(config: TextConfig) -> Entries:
    yield "lang_proj", (CHANNELS, CHANNELS)
    yield "logit_scale", ()
    yield "lang_encoder.positional_embedding", (config.context, CHANNELS)
    yield "lang_encoder.token_embedding.weight", (config.vocabulary, CHANNELS)
    for number in range(config.depth):
        block = f"lang_encoder.resblocks.{number}"
        yield from _packed_attention(f"{block}.attn")
        yield from _weight_bias(f"{block}.ln_1", CHANNELS)
        yield from _weight_bias(f"{block}.mlp.c_fc", FEED_FORWARD, CHANNELS)
        yield from _weight_bias(f"{block}.mlp.c_proj", CHANNELS, FEED_FORWARD)
        yield from _weight_bias(f"{block}.ln_2", CHANNELS)
    yield from _weight_bias("lang_encoder.ln_final", CHANNELS)
