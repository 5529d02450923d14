"""A decoder in two halves for OpenVINO: attention between prompts and picture, then the drawing of masks.

In bfloat16 the attention between a few prompt tokens and the picture is where rounding shows in masks. OpenVINO
computes a model in one precision, so the halves become models of their own (docs/decisions/0004).
"""

from typing import Any

_DRAWING = "mask_decoder.output_upscaling."
"""Tensors of the second half: all that depends on them draws."""


def split_decoder(model: Any) -> tuple[Any, Any]:
    """Cuts a decoder, whose batch is fixed, where the picture leaves its attention.

    Returns:
        The attention, whose outputs are the inputs of the drawing in their order and then the scores; and the
        drawing, whose output is the logits. The given model is used up.
    """
    import openvino
    from openvino import opset13, passes

    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())  # shapes are no longer worked out
    manager.run_passes(model)
    drawing: set[str] = set()
    inputs: list[Any] = []
    sources: list[Any] = []
    for node in model.get_ordered_ops():
        before = {value.get_node().get_friendly_name() for value in node.input_values()}
        name = node.get_friendly_name()
        if not (name.startswith(_DRAWING) or before & drawing):
            continue
        drawing.add(name)
        for entry in node.inputs():
            source = entry.get_source_output()
            giver = source.get_node()
            if giver.get_friendly_name() in drawing or giver.get_type_name() == "Constant":
                continue
            parameter = opset13.parameter(source.get_partial_shape(), source.get_element_type())
            entry.replace_source_output(parameter.output(0))
            drawing.add(parameter.get_friendly_name())
            inputs.append(parameter)
            sources.append(source)
    logits, scores = (result.input_value(0) for result in model.get_results())
    attention = [opset13.result(source) for source in (*sources, scores)]
    make: Any = openvino.Model
    return (make(attention, model.get_parameters()), make([opset13.result(logits)], inputs))
