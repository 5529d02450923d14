"""The peer's whole job in one process: load, one picture, one click, one mask written. Used by cold_start.py."""

import sys
import warnings

warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
from mobile_sam import SamPredictor, sam_model_registry  # noqa: E402
from PIL import Image  # noqa: E402

checkpoint, picture, x, y, output = sys.argv[1:6]
model = sam_model_registry["vit_t"](checkpoint=checkpoint)
model.eval()
predictor = SamPredictor(model)
predictor.set_image(np.asarray(Image.open(picture).convert("RGB")))
masks, scores, _ = predictor.predict(np.array([[float(x), float(y)]]), np.array([1]), multimask_output=True)
Image.fromarray(masks[int(scores.argmax())].astype(np.uint8) * 255).save(output)
