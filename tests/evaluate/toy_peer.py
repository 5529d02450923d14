"""A peer's program for tests: paints a square around each click; some words make it misbehave."""

import json
import sys
import time

import numpy as np
from PIL import Image

mood = sys.argv[1] if len(sys.argv) > 1 else "good"
size = (1, 1)
mask = None


def runs(array):
    flat = array.ravel(order="F").astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]]))).tolist()
    counts = np.diff([0, *edges, len(flat)] if edges[-1:] != [len(flat)] else [0, *edges]).tolist()
    return {"size": list(array.shape), "counts": counts}


for line in sys.stdin:
    request = json.loads(line)
    answer = {}
    operation = request["op"]
    if operation == "hello":
        answer = {"protocol": 2 if mood == "old" else 1, "name": "toy", "abilities": ["click", "point", "flying"]}
        if mood == "shy":
            answer = {}
    elif operation == "picture":
        size = np.asarray(Image.open(request["path"])).shape[:2]
        assert size == (request["height"], request["width"])
    elif operation == "begin":
        mask = np.zeros(size, bool)
    elif operation == "click":
        if mood == "dies":
            sys.exit("no more clicks today")
        if mood == "silent":
            time.sleep(60)
        x, y = int(request["x"]), int(request["y"])
        mask[max(0, y - 5) : y + 6, max(0, x - 5) : x + 6] = request["positive"]
        answer = {"masks": [runs(mask)], "seconds": 1.5, "peak_bytes": 12345}
        if mood == "confused":
            answer = {"masks": [{"size": list(size), "counts": [7]}]}
    else:
        answer = {"error": f"what is {operation}?"}
    print("no json" if mood == "chatty" and operation == "click" else json.dumps(answer), flush=True)
