"""How the server shows Label Studio who asks, and where it lets itself be sent."""

import asyncio

import httpx
import pytest

from promptseg.errors import ImageError
from promptseg.server.labelling.tasks import picture_bytes
from promptseg.server.settings import LabelStudio, Limits

PERSONAL = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"


def fetch(handler, token, address="/data/upload/1/a.png"):
    source = LabelStudio(url="http://ls.test:8080", token=token)
    return asyncio.run(picture_bytes(address, source, Limits(), httpx.MockTransport(handler)))


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_personal_token_is_exchanged(ending):
    def label_studio(request):
        if request.url.path == f"/api/token/refresh{ending}":
            assert request.method == "POST"
            assert request.read().decode().replace(" ", "") == f'{{"refresh":"{PERSONAL}"}}'
            return httpx.Response(200, json={"access": "short"})
        if request.headers.get("authorization") == "Bearer short":
            return httpx.Response(200, content=b"picture")
        return httpx.Response(404 if "token" in request.url.path else 401)

    assert fetch(label_studio, PERSONAL) == (b"picture", "a.png")


def test_a_legacy_token_is_shown_as_it_is():
    def label_studio(request):
        assert request.method == "GET"
        assert request.headers["authorization"] == "Token 0123abcd"
        return httpx.Response(200, content=b"picture")

    assert fetch(label_studio, "0123abcd")[0] == b"picture"


def test_a_token_that_is_wrong_is_said():
    with pytest.raises(ImageError, match="401 for the personal access token"):
        fetch(lambda request: httpx.Response(401), PERSONAL)
    with pytest.raises(ImageError, match=r"401 for the picture of the task\. Is LABEL_STUDIO_TOKEN right"):
        fetch(lambda request: httpx.Response(401), "0123abcd")


def test_storages_are_named_and_not_asked():
    asked = []

    def label_studio(request):
        asked.append(request.url.host)
        return httpx.Response(303, headers={"Location": "https://bucket.s3.test/a.png?signature=secret"})

    with pytest.raises(ImageError, match=r"sends on to https://bucket\.s3\.test .* 'Use pre-signed URLs'") as caught:
        fetch(label_studio, "0123abcd", "/tasks/7/resolve/?fileuri=czM6Ly9h")
    assert "secret" not in str(caught.value)
    assert set(asked) == {"ls.test"}


def test_label_studio_may_send_on_within_itself_but_not_for_ever():
    def once(request):
        if request.url.path.endswith("/"):
            return httpx.Response(200, content=b"picture")
        return httpx.Response(301, headers={"Location": f"{request.url.path}/"})

    assert fetch(once, "0123abcd")[0] == b"picture"
    with pytest.raises(ImageError, match="on and on"):
        fetch(lambda request: httpx.Response(302, headers={"Location": str(request.url)}), "0123abcd")
