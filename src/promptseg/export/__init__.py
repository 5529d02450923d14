"""From our torch modules to ONNX graphs that any engine runs, verified after writing."""
