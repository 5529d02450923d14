"""Readers of the layouts that public datasets come in, one file each; `promptseg.datasets.open` chooses."""
