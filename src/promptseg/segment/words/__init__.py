"""Meaning for SAM's masks: phrases, references, names and maps of classes with seem-tiny.

seem-tiny gives every cell of a picture a vector in the space of phrases; SAM's decoder turns the coarse regions that
come of it into precise masks.
"""
