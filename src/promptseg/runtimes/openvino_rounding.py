"""An image encoder for OpenVINO that rounding to bfloat16 harms half as much, at no cost in time (docs/decisions/0009).

bfloat16 keeps eight binary digits of a number. Three places of an encoder lose more by that than they need to:

- **The picture.** A normalised pixel is off by up to a third of a level, in an even surface all of them alike. Whole
  numbers about zero, as the levels of a byte are, have eight digits: the graph takes those.
- **Filters over several cells.** In an even surface their weights cancel each other, and their errors do not. Rounded
  here, each makes up for the one before it, and their sum is right.
- **The last norm.** What it normalises is large, and its bias takes most of that away again. That much is subtracted
  before rounding, and added after it, where OpenVINO computes in float32 anyhow.
"""

from typing import Any

import numpy as np

from promptseg.arrays import Float32
from promptseg.images.preprocess import PIXEL_MEAN, PIXEL_STD

_STD = np.asarray(PIXEL_STD, np.float32).reshape(3, 1, 1)
_OFFSET = (np.asarray(PIXEL_MEAN) - np.round(PIXEL_MEAN)).astype(np.float32).reshape(3, 1, 1)

DEVIATION = 16.0
"""About the deviation of what MobileSAM's last norm normalises: 15.6 to 15.9, and nearly all of it is one channel's."""


def whole_levels(image: Float32) -> Float32:
    """Turns normalised pixels (..., 3, H, W) into the input of `spare_encoder`'s graph.

    Byte levels less the rounded mean of their channel: whole numbers, and near 0 where the picture is padded.
    """
    levels = image * _STD
    levels += _OFFSET
    return levels


def to_bfloat16(values: Float32) -> Float32:
    """Rounds to the nearest number of bfloat16, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)


def round_filters(weights: Float32) -> Float32:
    """Rounds filters (..., h, w) to bfloat16 so that the sum of each filter's weights stays.

    From the largest weight to the smallest, each takes on the error of those before it.
    """
    flat = weights.reshape(-1, weights.shape[-2] * weights.shape[-1])
    order = np.argsort(-np.abs(flat), axis=1, kind="stable")
    rows, error = np.arange(len(flat)), np.zeros(len(flat), np.float32)
    rounded = np.empty_like(flat)
    for place in order.T:
        wanted = flat[rows, place] + error
        rounded[rows, place] = to_bfloat16(wanted)
        error = wanted - rounded[rows, place]
    return rounded.reshape(weights.shape)


def spare_encoder(model: Any) -> None:
    """Changes an encoder, whose batch is fixed, in place: it then takes `whole_levels` of a picture."""
    from openvino import passes

    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())  # so that weights and biases are constants
    manager.run_passes(model)
    norms = [node for node in model.get_ordered_ops() if node.get_type_name() == "BatchNormInference"]
    for norm in norms:
        _fold(norm)
    _take_levels(model)
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("Convolution", "GroupConvolution"):
            _round(node)
    if norms:  # MobileSAM's: what other encoders' last norms see was not measured
        _centre_last_norm(model)


def _fold(norm: Any) -> None:
    """Works a batch norm into the weights before it; OpenVINO would do so too, but after `_round`."""
    from openvino import opset13

    gamma, beta, mean, variance = (_constant(norm, index) for index in range(1, 5))
    gain = gamma / np.sqrt(variance + norm.get_attributes()["epsilon"])
    convolution = norm.input_value(0).get_node()
    weights = _constant(convolution, 1)
    ends = weights.shape[:2] if convolution.get_type_name() == "GroupConvolution" else weights.shape[:1]
    rest = (1,) * (weights.ndim - len(ends))
    _set(convolution, 1, weights * gain.reshape(*ends, *rest))
    added = opset13.add(convolution.output(0), opset13.constant(_per_channel(beta - mean * gain)))
    for entry in norm.output(0).get_target_inputs():
        entry.replace_source_output(added.output(0))


def _take_levels(model: Any) -> None:
    (first,) = (entry.get_node() for entry in model.input(0).get_target_inputs())
    name = first.get_friendly_name()
    added = next(
        node
        for node in model.get_ordered_ops()  # readers that left the model may still be readers
        if node.get_type_name() == "Add" and node.input_value(0).get_node().get_friendly_name() == name
    )
    weights = _constant(first, 1) / _STD
    _set(first, 1, weights)
    _set(added, 1, _per_channel(_constant(added, 1).reshape(-1) - (weights * _OFFSET).sum((1, 2, 3))))


def _round(convolution: Any) -> None:
    """Rounds the weights of filters over several cells; a filter of one cell has no sum to keep."""
    weights = _constant(convolution, 1)
    if weights.shape[-2:] != (1, 1):
        _set(convolution, 1, round_filters(weights))


def _centre_last_norm(model: Any) -> None:
    from openvino import opset13

    nodes = model.get_ordered_ops()
    convolution = [node for node in nodes if node.get_type_name() == "Convolution"][-1]
    norm = [node for node in nodes if node.get_type_name() == "MVN"][-1]
    (scaled,) = (entry.get_node() for entry in norm.output(0).get_target_inputs())
    (shifted,) = (entry.get_node() for entry in scaled.output(0).get_target_inputs())
    gain, bias = _constant(scaled, 1).reshape(-1), _constant(shifted, 1).reshape(-1)
    share = np.divide(bias, gain, out=np.zeros_like(bias), where=gain != 0)
    usual = to_bfloat16((-DEVIATION * share).astype(np.float32))
    readers = convolution.output(0).get_target_inputs()
    less = opset13.add(convolution.output(0), opset13.constant(_per_channel(-usual)))
    for entry in readers:
        entry.replace_source_output(less.output(0))
    again = opset13.add(norm.input_value(0), opset13.constant(usual))
    norm.input(0).replace_source_output(again.output(0))


def _per_channel(values: Float32) -> Float32:
    return values.astype(np.float32).reshape(1, -1, 1, 1)


def _constant(node: Any, index: int) -> Float32:
    return node.input_value(index).get_node().get_data()


def _set(node: Any, index: int, values: Float32) -> None:
    from openvino import opset13

    node.input(index).replace_source_output(opset13.constant(values.astype(np.float32)).output(0))
