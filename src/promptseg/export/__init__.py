"""From our torch modules to ONNX graphs that any engine runs, verified after writing."""

from importlib.util import find_spec

from promptseg.errors import UnavailableError


def require() -> None:
    """Checks that the exporter's packages are there, before any of its modules is imported.

    Raises:
        UnavailableError: PyTorch, onnx or onnxscript is missing.
    """
    if any(find_spec(package) is None for package in ("torch", "onnx", "onnxscript")):
        raise UnavailableError.extra("The exporter (PyTorch, onnx and onnxscript)", "export")
