"""Damaged pictures: a clear refusal or a picture, nothing else. benchmarks/upload_fuzz.py sends many more."""

import importlib.util
from collections import Counter
from pathlib import Path

_PATH = Path(__file__).parents[2] / "benchmarks" / "upload_fuzz.py"
_SPEC = importlib.util.spec_from_file_location("upload_fuzz", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
upload_fuzz = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(upload_fuzz)


def test_damaged_pictures_are_refused_or_kept(here) -> None:
    statuses: Counter[int] = Counter()
    for content in upload_fuzz.mutants(150, seed=1):
        answer = here.http.post("/v1/images", content=content, headers={"Content-Type": "image/jpeg"})
        statuses[answer.status_code] += 1
        if not answer.is_success:
            assert answer.json()["error"]["type"] == "ImageError"
        else:
            image = answer.json()["id"]
            assert here.http.get(f"/v1/images/{image}/file").status_code == 200
            here.http.delete(f"/v1/images/{image}")
    assert set(statuses) <= {200, 201, 422}
    assert statuses[422] > 25
    assert statuses[201] > 25


def test_sound_ones_pass(here) -> None:
    for content in upload_fuzz.originals():
        assert here.upload(content)["width"] in (96, 64)
