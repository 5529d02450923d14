"""Masks: the compact container, run lengths, overlaps, regions, outlines and drawing."""
