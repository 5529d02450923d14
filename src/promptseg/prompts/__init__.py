"""Prompt types, and how each becomes the point, box and mask tokens that SAM understands."""
