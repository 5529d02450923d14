"""Plain numbers of the detector. Needs no torch."""

STRIDES = (8, 16, 32)
"""Pixels between the cells of the three levels that boxes are predicted on."""
MULTIPLE = STRIDES[-1]
"""Sides of the network's input are multiples of this many pixels."""
SIDE = 416
"""The longer side that the network was trained with."""

PIXEL_MEAN, PIXEL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of red, green and blue, on the scale 0 to 255."""

CLASSES = 80
"""COCO's things, in their order."""
BINS = 11
"""A distance from a cell to a side of its box is the mean of 0, 1 ... 10 strides, weighted by chances."""

STEM = 32
STAGES = ((32, 1, 1), (64, 2, 2), (128, 2, 2), (256, 2, 3))
"""Width, stride and number of bundles of each stage; its output has twice the width."""
WIDTH = 128
"""Channels of each level behind the backbone."""
LEAK = 0.1
