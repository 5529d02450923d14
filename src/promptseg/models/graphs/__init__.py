"""Exported ONNX graphs without weights, and the manifest that says what each reads (made by tools/export_graphs.py)."""
