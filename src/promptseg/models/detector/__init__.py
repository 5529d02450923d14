"""NanoDet-g: a small network that draws boxes around things of COCO's 80 classes."""
