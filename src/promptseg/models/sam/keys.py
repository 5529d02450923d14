"""Names and shapes of the official SAM checkpoints, from plain numbers. Needs no torch."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from promptseg.errors import WeightsError
from promptseg.models.sam.config import DecoderConfig, TinyViTConfig, ViTConfig, sam_config

Shape = tuple[int, ...]
Entries = Iterator[tuple[str, Shape]]


def expected_shapes(name: str) -> dict[str, Shape]:
    """Returns every name and shape of a network's official state dict.

    Raises:
        WeightsError: there is no such network.
    """
    config = sam_config(name)
    encoder = config.encoder
    entries = _tiny_vit(encoder) if isinstance(encoder, TinyViTConfig) else _vit(encoder)
    return {
        **dict(_under("image_encoder", entries)),
        **dict(_under("prompt_encoder", _prompt_encoder(config.decoder))),
        **dict(_under("mask_decoder", _mask_decoder(config.decoder))),
    }


def is_unused(key: str) -> bool:
    """Whether no prediction depends on it: TinyViT's classifier from pre-training, and batch counters."""
    heads = ("image_encoder.norm_head.", "image_encoder.head.")
    return key.startswith(heads) or key.endswith(".num_batches_tracked")


def check_state_dict(name: str, shapes: Mapping[str, Shape], *, unused_may_miss: bool = False) -> None:
    """Checks that the names and shapes are those of a network's official checkpoint.

    Args:
        name: the network, such as "mobile-sam".
        shapes: name and shape of every given tensor.
        unused_may_miss: whether tensors that no prediction depends on may be absent.

    Raises:
        WeightsError: names the first tensor that is missing, unexpected or of another shape.
    """
    expected = expected_shapes(name)
    for key, shape in expected.items():
        if key not in shapes:
            if unused_may_miss and is_unused(key):
                continue
            raise WeightsError(
                f"This is not a checkpoint of {name}: {key} is missing (expected shape {shape}; "
                f"{len(shapes)} tensors were given, {len(expected)} expected)."
            )
        if tuple(shapes[key]) != shape:
            raise WeightsError(
                f"This is not a checkpoint of {name}: {key} has shape {tuple(shapes[key])}, expected {shape}."
            )
    for key, shape in shapes.items():
        if key not in expected:
            raise WeightsError(f"This is not a checkpoint of {name}: {key} of shape {tuple(shape)} is unexpected.")


def _under(prefix: str, entries: Entries) -> Entries:
    return ((f"{prefix}.{key}", shape) for key, shape in entries)


def _weight_bias(prefix: str, *shape: int, bias: int | None = None) -> Entries:
    """A weight of `shape` and a bias as long as its first axis, or as `bias` says."""
    yield f"{prefix}.weight", shape
    yield f"{prefix}.bias", (shape[0] if bias is None else bias,)


def _neck(inputs: int, outputs: int) -> Entries:
    yield "neck.0.weight", (outputs, inputs, 1, 1)
    yield from _weight_bias("neck.1", outputs)
    yield "neck.2.weight", (outputs, outputs, 3, 3)
    yield from _weight_bias("neck.3", outputs)


def _vit(config: ViTConfig) -> Entries:
    width, head = config.channels, config.channels // config.heads
    yield "pos_embed", (1, config.grid, config.grid, width)
    yield from _weight_bias("patch_embed.proj", width, 3, config.patch, config.patch)
    for i in range(config.depth):
        block, positions = f"blocks.{i}", 2 * config.attention_side(i) - 1
        yield from _weight_bias(f"{block}.norm1", width)
        yield f"{block}.attn.rel_pos_h", (positions, head)
        yield f"{block}.attn.rel_pos_w", (positions, head)
        yield from _weight_bias(f"{block}.attn.qkv", 3 * width, width)
        yield from _weight_bias(f"{block}.attn.proj", width, width)
        yield from _weight_bias(f"{block}.norm2", width)
        yield from _weight_bias(f"{block}.mlp.lin1", width * config.mlp_ratio, width)
        yield from _weight_bias(f"{block}.mlp.lin2", width, width * config.mlp_ratio)
    yield from _neck(width, config.outputs)


def _conv_bn(prefix: str, outputs: int, inputs: int, kernel: int) -> Entries:
    yield f"{prefix}.c.weight", (outputs, inputs, kernel, kernel)
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{prefix}.bn.{part}", (outputs,)
    yield f"{prefix}.bn.num_batches_tracked", ()


def _tiny_vit(config: TinyViTConfig) -> Entries:
    widths = config.channels
    yield from _conv_bn("patch_embed.seq.0", widths[0] // 2, 3, 3)
    yield from _conv_bn("patch_embed.seq.2", widths[0], widths[0] // 2, 3)
    for stage, (width, depth) in enumerate(zip(widths, config.depths, strict=True)):
        for i in range(depth):
            prefix = f"layers.{stage}.blocks.{i}"
            yield from _under(prefix, _tiny_block(config, stage) if stage else _mb_conv(width, config.expand))
        if stage + 1 < len(widths):
            prefix, wider = f"layers.{stage}.downsample", widths[stage + 1]
            yield from _conv_bn(f"{prefix}.conv1", wider, width, 1)
            yield from _conv_bn(f"{prefix}.conv2", wider, 1, 3)
            yield from _conv_bn(f"{prefix}.conv3", wider, wider, 1)
    yield from _weight_bias("norm_head", widths[-1])
    yield from _weight_bias("head", config.classes, widths[-1])
    yield from _neck(widths[-1], config.outputs)


def _mb_conv(width: int, expand: int) -> Entries:
    hidden = width * expand
    yield from _conv_bn("conv1", hidden, width, 1)
    yield from _conv_bn("conv2", hidden, 1, 3)
    yield from _conv_bn("conv3", width, hidden, 1)


def _tiny_block(config: TinyViTConfig, stage: int) -> Entries:
    width, hidden = config.channels[stage], config.channels[stage] * config.mlp_ratio
    yield "attn.attention_biases", (config.heads[stage], config.windows[stage] ** 2)
    yield from _weight_bias("attn.norm", width)
    yield from _weight_bias("attn.qkv", 3 * width, width)
    yield from _weight_bias("attn.proj", width, width)
    yield from _weight_bias("mlp.norm", width)
    yield from _weight_bias("mlp.fc1", hidden, width)
    yield from _weight_bias("mlp.fc2", width, hidden)
    yield from _conv_bn("local_conv", width, 1, 3)


def _prompt_encoder(config: DecoderConfig) -> Entries:
    width, inner = config.channels, config.mask_channels
    yield "pe_layer.positional_encoding_gaussian_matrix", (2, width // 2)
    for kind in ("point_embeddings.0", "point_embeddings.1", "point_embeddings.2", "point_embeddings.3"):
        yield f"{kind}.weight", (1, width)
    yield "not_a_point_embed.weight", (1, width)
    yield from _weight_bias("mask_downscaling.0", inner // 4, 1, 2, 2)
    yield from _weight_bias("mask_downscaling.1", inner // 4)
    yield from _weight_bias("mask_downscaling.3", inner, inner // 4, 2, 2)
    yield from _weight_bias("mask_downscaling.4", inner)
    yield from _weight_bias("mask_downscaling.6", width, inner, 1, 1)
    yield "no_mask_embed.weight", (1, width)


def _attention(prefix: str, width: int, inner: int) -> Entries:
    for part in ("q_proj", "k_proj", "v_proj"):
        yield from _weight_bias(f"{prefix}.{part}", inner, width)
    yield from _weight_bias(f"{prefix}.out_proj", width, inner)


def _relu_mlp(prefix: str, *widths: int) -> Entries:
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        yield from _weight_bias(f"{prefix}.layers.{i}", outputs, inputs)


def _mask_decoder(config: DecoderConfig) -> Entries:
    width, inner, quarter, eighth = (
        config.channels,
        config.attention_channels,
        config.channels // 4,
        config.channels // 8,
    )
    for i in range(config.depth):
        layer = f"transformer.layers.{i}"
        yield from _attention(f"{layer}.self_attn", width, width)
        yield from _weight_bias(f"{layer}.norm1", width)
        yield from _attention(f"{layer}.cross_attn_token_to_image", width, inner)
        yield from _weight_bias(f"{layer}.norm2", width)
        yield from _weight_bias(f"{layer}.mlp.lin1", config.mlp_channels, width)
        yield from _weight_bias(f"{layer}.mlp.lin2", width, config.mlp_channels)
        yield from _weight_bias(f"{layer}.norm3", width)
        yield from _weight_bias(f"{layer}.norm4", width)
        yield from _attention(f"{layer}.cross_attn_image_to_token", width, inner)
    yield from _attention("transformer.final_attn_token_to_image", width, inner)
    yield from _weight_bias("transformer.norm_final_attn", width)
    yield "iou_token.weight", (1, width)
    yield "mask_tokens.weight", (config.mask_tokens, width)
    yield from _weight_bias("output_upscaling.0", width, quarter, 2, 2, bias=quarter)
    yield from _weight_bias("output_upscaling.1", quarter)
    yield from _weight_bias("output_upscaling.3", quarter, eighth, 2, 2, bias=eighth)
    inside = [width] * config.head_depth
    for i in range(config.mask_tokens):
        yield from _relu_mlp(f"output_hypernetworks_mlps.{i}", *inside, eighth)
    yield from _relu_mlp("iou_prediction_head", *inside, config.mask_tokens)
