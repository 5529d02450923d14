"""The peer's automatic mask generator in its own process: a job per line on stdin, a record file per job.

    python peer_everything.py CHECKPOINT THREADS

A job is {"picture": path, "output": path, "options": {...}}. The file holds the generator's own records with
uncompressed run lengths, the seconds that generate() took, and the peak memory of the process so far. Needs no
promptseg; driven by everything_exact.py.
"""

import json
import resource
import sys
import time
import warnings

warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from mobile_sam import SamAutomaticMaskGenerator, sam_model_registry  # noqa: E402
from PIL import Image  # noqa: E402


def main() -> None:
    """Answers jobs until stdin ends."""
    torch.set_num_threads(int(sys.argv[2]))
    model = sam_model_registry["vit_t"](checkpoint=sys.argv[1])
    model.eval()  # once more after loading: the attention biases are cached by eval()
    for line in sys.stdin:
        job = json.loads(line)
        pixels = np.asarray(Image.open(job["picture"]).convert("RGB"))
        generator = SamAutomaticMaskGenerator(model, output_mode="uncompressed_rle", **job["options"])
        began = time.perf_counter()
        records = generator.generate(pixels)
        seconds = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        with open(job["output"], "w", encoding="utf-8") as file:
            json.dump({"seconds": seconds, "peak_bytes": memory, "records": records}, file)
        print(json.dumps({"seconds": seconds, "masks": len(records)}), flush=True)


if __name__ == "__main__":
    main()
