"""Segmentation by places, words, classes and references with SEEM. Knows no torch."""
