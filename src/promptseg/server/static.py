"""The studio: static files that `web/` is built into, or a page that says how to get them."""

import gzip
import html
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.concurrency import run_in_threadpool

POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; connect-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".onnx": "application/octet-stream",
}
"""What is served, by the end of the name; the system's own table is not asked, since it differs."""

_PACKED = ".gz"

_MISSING = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>promptseg: the studio is not installed</title>
<body style="font: 1.1rem/1.5 system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>The studio is not installed</h1>
<p>The server runs and its HTTP interface is complete (<a href="/openapi.json">openapi.json</a>), but this package was
built without Node.js, so the studio for the browser is missing.</p>
<p>To get it: in a clone of promptseg, with Node.js 20 or later, run <code>make studio</code>, then start
<code>promptseg serve</code> again. Or install a released package: <code>pip install --force-reinstall
"promptseg[server]"</code>.</p>
<p lang="ja">ブラウザ用スタジオが含まれていません。ソースのフォルダで <code>make studio</code> を実行してから、
<code>promptseg serve</code> を起動し直してください。</p>
<p><small>{folder}</small></p>
"""


def studio() -> Path | None:
    """Returns the folder of the studio, if it was built."""
    folder = _folder()
    return folder if (folder / "index.html").is_file() else None


def _folder() -> Path:
    return Path(str(resources.files("promptseg.server"))) / "static"


def static_router(folder: Path | None) -> APIRouter:
    """Returns a route for each of the studio's files. No path of a request ever reaches the disk.

    A file `NAME.gz` is served as NAME: packed, to who accepts that.

    Args:
        folder: where they are; None: there is no studio.
    """
    router = APIRouter(include_in_schema=False)
    paths = [] if folder is None else [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found = {path.relative_to(folder or path).as_posix(): path for path in paths}
    files = {
        name.removesuffix(_PACKED): path
        for name, path in found.items()
        if Path(name.removesuffix(_PACKED)).suffix in _TYPES
    }

    @router.get("/")
    async def index(accept_encoding: Annotated[str, Header()] = "") -> Response:
        if "index.html" in files:
            return await _file(files["index.html"], "index.html", accept_encoding)
        page = _MISSING.format(folder=html.escape("promptseg/server/static"))
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})

    for name, path in files.items():
        router.add_api_route(f"/{name}", _answer_with(path, name), methods=["GET", "HEAD"])
    return router


def _answer_with(path: Path, name: str) -> Callable[[str], Awaitable[Response]]:
    async def answer(accept_encoding: Annotated[str, Header()] = "") -> Response:
        return await _file(path, name, accept_encoding)

    return answer


async def _file(path: Path, name: str, accepted: str) -> Response:
    fixed = name.startswith("assets/")  # their names change with their content
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if fixed else "no-cache",
        "Content-Security-Policy": POLICY,
    }
    kind = _TYPES[Path(name).suffix]
    if path.suffix != _PACKED:
        return FileResponse(path, media_type=kind, headers=headers)
    headers["Vary"] = "Accept-Encoding"
    if "gzip" in accepted:
        return FileResponse(path, media_type=kind, headers={**headers, "Content-Encoding": "gzip"})
    content = await run_in_threadpool(lambda: gzip.decompress(path.read_bytes()))
    return Response(content, media_type=kind, headers=headers)
