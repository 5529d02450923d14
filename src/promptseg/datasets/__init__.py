"""Labelled pictures: samples, and readers of the layouts that public datasets come in."""
