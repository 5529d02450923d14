"""Pictures over HTTP."""

import io
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from serving import failure

from promptseg import Image


def png(pixels: Any, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(np.asarray(pixels, np.uint8)).save(file, format=form, **options)
    return file.getvalue()


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (24, 40, 3), np.uint8)


def test_a_picture_is_named_by_its_pixels(here, noise) -> None:
    as_png = here.upload(png(noise), name="folder/../noise.png")
    as_bmp = here.upload(png(noise, "BMP"), name="noise.bmp")
    assert as_png["id"] == as_bmp["id"] == Image(noise).digest
    assert (as_png["width"], as_png["height"], as_png["name"]) == (40, 24, "noise.png")
    assert as_png["objects"] == 0


def test_a_picture_without_a_name_takes_the_first_that_comes(here) -> None:
    content = png(np.full((9, 9, 3), 77))
    names = [here.upload(content, **given)["name"] for given in ({}, {"name": "a.png"}, {"name": "b.png"}, {})]
    assert names == ["", "a.png", "a.png", "a.png"]


def test_new_is_201_and_known_is_200(here) -> None:
    content = png(np.full((8, 8, 3), 7))
    headers = {"Content-Type": "image/png"}
    assert here.http.post("/v1/images", content=content, headers=headers).status_code == 201
    assert here.http.post("/v1/images", content=content, headers=headers).status_code == 200


def test_a_form_does_as_well_as_raw_bytes(here, noise) -> None:
    raw = here.upload(png(noise))
    answer = here.http.post("/v1/images", files={"file": ("again.png", png(noise), "image/png")})
    assert answer.json()["id"] == raw["id"]
    failure(here.http.post("/v1/images", files={"other": ("a.png", png(noise))}), 422, "ImageError")
    failure(here.http.post("/v1/images", files=[("file", ("a", b"1")), ("file", ("b", b"2"))]), 400, "FormError")


@pytest.mark.parametrize(
    ("content", "media", "status", "kind"),
    [
        (b"", "image/png", 422, "ImageError"),
        (b"not a picture", "image/png", 422, "ImageError"),
        (b"%PDF-1.7", "application/octet-stream", 422, "ImageError"),
        (b"{}", "application/json", 415, "MediaTypeError"),
        (b"x", "multipart/form-data", 400, "FormError"),
    ],
)
def test_what_is_no_picture_is_refused(here, content, media, status, kind) -> None:
    answer = here.http.post("/v1/images", content=content, headers={"Content-Type": media})
    assert failure(answer, status, kind)


def test_records_lists_and_deletion(start, noise) -> None:
    server = start()
    first, second = server.upload(png(noise)), server.upload(png(noise[::-1]))
    assert [item["id"] for item in server.http.get("/v1/images").json()["images"]] == [first["id"], second["id"]]
    url = f"/v1/images/{first['id']}"
    assert {**server.http.get(url).json(), "notes": []} == first
    session = server.http.post("/v1/sessions", json={"image": first["id"]}).json()["id"]
    assert server.http.delete(url).status_code == 204
    failure(server.http.get(url), 404, "NotFoundError")
    failure(server.http.delete(url), 404, "NotFoundError")
    failure(server.http.get(f"/v1/sessions/{session}"), 404, "NotFoundError")
    assert not server.parts.store.path_of(first["id"]).exists()


def test_files_come_back_as_they_were_or_as_browsers_show_them(here, astronaut, noise) -> None:
    jpeg = here.upload(astronaut)["id"]
    answer = here.http.get(f"/v1/images/{jpeg}/file")
    assert answer.content == astronaut
    assert answer.headers["content-type"] == "image/jpeg"
    tiff = here.upload(png(noise[:, ::-1], "TIFF"))["id"]
    answer = here.http.get(f"/v1/images/{tiff}/file")
    assert answer.headers["content-type"] == "image/png"
    assert np.array_equal(np.asarray(Pillow.open(io.BytesIO(answer.content))), noise[:, ::-1])


def test_what_a_browser_would_not_turn_is_turned(here, noise) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    record = here.upload(png(noise[:10], exif=exif))
    assert (record["width"], record["height"]) == (10, 40)
    shown = here.http.get(f"/v1/images/{record['id']}/file").content
    assert np.array_equal(np.asarray(Pillow.open(io.BytesIO(shown))), np.rot90(noise[:10], -1))


def test_thumbnails(here, picture) -> None:
    answer = here.http.get(f"/v1/images/{picture['id']}/thumbnail", params={"side": 64})
    assert Pillow.open(io.BytesIO(answer.content)).size == (64, 64)
    failure(here.http.get(f"/v1/images/{picture['id']}/thumbnail?side=5000"), 422, "SchemaError")


def test_embedding_ahead_makes_it_ready(here, astronaut) -> None:
    image = here.upload(astronaut, embed="true")["id"]
    here.http.get(f"/v1/images/{image}/embedding")  # shares the computation, or finds it done
    assert here.http.get(f"/v1/images/{image}").json()["embedded"]


def test_an_upload_is_looked_at_for_words(start, noise, monkeypatch) -> None:
    looked = threading.Event()
    monkeypatch.setattr("promptseg.segment.sam.SamSegmenter.look", lambda self, image: looked.set())
    start().upload(png(noise), embed="true")
    assert looked.wait(60)


def test_the_pixel_limit_and_the_store_limit(start, noise) -> None:
    from promptseg.server.settings import Limits

    server = start(limits=Limits(max_pixels=1000, max_images=1))
    headers = {"Content-Type": "image/png"}
    big = server.http.post("/v1/images", content=png(np.zeros((40, 40, 3))), headers=headers)
    assert "1,000" in failure(big, 422, "ImageError")
    server.upload(png(noise))
    full = server.http.post("/v1/images", content=png(noise[::-1]), headers=headers)
    assert "Delete" in failure(full, 413, "TooLargeError")
    server.upload(png(noise))  # known ones still pass


def test_a_page_channels_and_levels_are_chosen_at_the_upload(here) -> None:
    grey = np.random.default_rng(2).integers(0, 256, (30, 40), np.uint16)
    stack = io.BytesIO()
    pages = [Pillow.fromarray(grey * 12), Pillow.fromarray(grey[::-1] * 12)]
    pages[0].save(stack, "TIFF", save_all=True, append_images=pages[1:])
    url, headers = "/v1/images", {"Content-Type": "application/octet-stream"}
    plain = here.http.post(url, content=stack.getvalue(), headers=headers).json()
    assert len(plain["notes"]) == 1
    assert "has 2 pages" in plain["notes"][0]
    chosen = here.http.post(url, params={"page": 2, "levels": "0,3060"}, content=stack.getvalue(), headers=headers)
    assert chosen.json()["notes"] == []
    shown = here.http.get(f"{url}/{chosen.json()['id']}/file")
    assert shown.headers["content-type"] == "image/png"
    pixels = np.asarray(Pillow.open(io.BytesIO(shown.content)))
    assert np.array_equal(pixels[..., 0], grey[::-1])
    assert Image(pixels).digest == chosen.json()["id"]
    for wrong in ({"page": 3}, {"channels": "1,2"}, {"channels": "4"}, {"levels": "bright"}):
        failure(here.http.post(url, params=wrong, content=stack.getvalue(), headers=headers), 422, "ImageError")


def test_deep_pictures_are_shown_as_they_were_read(here) -> None:
    grey = np.random.default_rng(3).integers(0, 256, (20, 30), np.uint16)
    file = io.BytesIO()
    Pillow.fromarray(grey * 16).save(file, "PNG")
    record = here.upload(file.getvalue())
    shown = Pillow.open(io.BytesIO(here.http.get(f"/v1/images/{record['id']}/file").content))
    assert np.array_equal(np.asarray(shown)[..., 0], grey)
