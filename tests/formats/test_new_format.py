"""A new format is one row: the command line, the server and its document know it (EXTENDING.md)."""

import subprocess
import sys

PROGRAM = """
import io, json, sys
from pathlib import Path

import numpy as np
from PIL import Image

from promptseg.files import write_bytes
from promptseg.formats.table import FORMATS, LabelFormat


def write_areas(segments, stem, directory, image):
    path = directory / f"{stem}_areas.csv"
    write_bytes(path, "".join(f"{area}\\n" for area in segments.areas).encode())
    return [path]


FORMATS["areas"] = LabelFormat("the pixels of each mask", "text/csv", write_areas)

# The command line
from click.testing import CliRunner

from promptseg.cli.app import app

folder = Path(sys.argv[1])
picture = folder / "shot.png"
Image.fromarray(np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)).save(picture)
told = CliRunner().invoke(app, ["segment", "--help"], env={"COLUMNS": "200"}).output
assert "areas (the pixels of each mask)" in " ".join(told.split()), told
call = ["segment", str(picture), "--point", "20,15", "--threads", "1", "-f", "areas", "-o", str(folder / "out")]
done = CliRunner().invoke(app, call)
assert done.exit_code == 0, done
assert int((folder / "out" / "shot_areas.csv").read_text()) > 0

# The server
from fastapi.testclient import TestClient

from promptseg.masks.rle import RLE
from promptseg.server.app import create_app
from promptseg.runtimes.options import EngineOptions
from promptseg.server.settings import Settings

settings = Settings(data=folder / "data", models=(EngineOptions(runtime="onnx", threads=1),))
with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
    image = client.post("/v1/images", files={"file": ("shot.png", picture.read_bytes())}).json()["id"]
    mask = np.zeros((30, 40), bool)
    mask[3:8, 5:9] = True
    objects = [{"id": "a", "segmentation": RLE.encode(mask).to_coco()}]
    answer = client.post(f"/v1/images/{image}/export?format=areas", json={"objects": objects})
    assert (answer.status_code, answer.text) == (200, "20\\n"), answer.text
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert 'filename="shot_areas.csv"' in answer.headers["Content-Disposition"]
    (parameter,) = [
        parameter
        for parameter in client.get("/openapi.json").json()["paths"]["/v1/images/{image}/export"]["post"]["parameters"]
        if parameter["name"] == "format"
    ]
    assert parameter["schema"]["enum"] == list(FORMATS)
"""


def test_a_row_is_all_that_a_format_needs(tmp_path):
    """In a process of its own, where the row stands before the server is made, as in the table itself."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
