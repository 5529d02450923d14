"""Writes official.npz: thinned outputs of the official SAM modules on synthetic weights.

Run it where segment-anything, mobilesam-mirror, torchvision and timm are installed:
    PYTHONPATH=tests/models python tests/golden/sam/make_golden.py
"""

from pathlib import Path

import mobile_sam
import numpy as np
import segment_anything
import torch
from sam_synthetic import COMBINATIONS, OBJECTS, fill, official_prediction, picture, prompt_parts


@torch.no_grad()
def main() -> None:
    arrays = {}
    plain = segment_anything.sam_model_registry["vit_b"]()
    fill(plain)
    arrays["sam-vit-b embedding"] = plain.image_encoder(picture())[:, ::16, ::8, ::8]
    mobile = mobile_sam.sam_model_registry["vit_t"]()
    fill(mobile)  # ends with eval(), without which the attention biases would be zeros
    embedding = mobile.image_encoder(picture())
    arrays["mobile-sam embedding"] = embedding[:, ::16, ::8, ::8]
    for name, kinds in COMBINATIONS.items():
        logits, scores = official_prediction(mobile, embedding, prompt_parts(kinds, OBJECTS))
        arrays[f"{name} logits"], arrays[f"{name} scores"] = logits[..., ::32, ::32], scores
    path = Path(__file__).with_name("official.npz")
    np.savez_compressed(path, **{key: value.numpy() for key, value in arrays.items()})


if __name__ == "__main__":
    main()
