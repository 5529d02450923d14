"""The studio's files, or the page that says how to get them."""

import gzip

import httpx
import pytest
from fastapi import FastAPI

from promptseg.server.static import static_router


def get(folder, path, **headers):
    app = FastAPI(openapi_url=None)
    app.include_router(static_router(folder))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path, headers=headers)

    import asyncio

    return asyncio.run(ask())


@pytest.fixture
def studio(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>studio")
    (tmp_path / "assets" / "ort-1a2b.wasm").write_bytes(b"\0asm")
    (tmp_path / "assets" / "worker-3c.mjs").write_text("export {}")
    (tmp_path / "secret.py").write_text("x")
    return tmp_path


def test_files_have_their_types_and_lifetimes(studio) -> None:
    index = get(studio, "/")
    assert index.text.endswith("studio")
    assert index.headers["Cache-Control"] == "no-cache"
    assert "wasm-unsafe-eval" in index.headers["Content-Security-Policy"]
    wasm = get(studio, "/assets/ort-1a2b.wasm")
    assert wasm.headers["content-type"] == "application/wasm"
    assert "immutable" in wasm.headers["Cache-Control"]
    assert get(studio, "/assets/worker-3c.mjs").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_packed_files_go_by_their_own_name(studio, accepted) -> None:
    code = "export const many = 1;\n" * 1000
    (studio / "assets" / "index-9.js.gz").write_bytes(gzip.compress(code.encode()))
    answer = get(studio, "/assets/index-9.js", **{"Accept-Encoding": accepted})
    assert answer.text == code
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers.get("Content-Encoding", "identity") == accepted
    assert (int(answer.headers["Content-Length"]) < 1000) == (accepted == "gzip")
    assert get(studio, "/assets/index-9.js.gz").status_code == 404


@pytest.mark.parametrize("path", ["/secret.py", "/../secret.py", "/assets/%2e%2e/secret.py", "/assets/", "/nothing"])
def test_nothing_else_is_served(studio, path) -> None:
    assert get(studio, path).status_code == 404


def test_without_a_studio_the_page_says_how_to_get_it() -> None:
    page = get(None, "/")
    assert page.status_code == 200
    assert "make studio" in page.text
    assert 'lang="ja"' in page.text
