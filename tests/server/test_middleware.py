"""What the middleware lets through: tokens, hosts, origins, sizes; and the headers of every answer."""

import base64
import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from serving import PATIENCE, Running, failure, until

from promptseg.errors import InputError
from promptseg.runtimes.options import EngineOptions
from promptseg.server import middleware
from promptseg.server.settings import Limits, Settings
from promptseg.server.static import studio

PENDING = "promptseg_pending_bytes"
TOKEN = "correct-horse-battery"  # noqa: S105


def raw(url: str, request: bytes) -> bytes:
    """Sends bytes as they are and returns what comes back until the server closes."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def test_the_token_opens_everything_but_health_and_the_studio(start) -> None:
    server = start(token=TOKEN)
    for path in ("/v1/images", "/v1/models", "/metrics", "/openapi.json", "/label-studio/health"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            answer = server.http.get(path, headers=headers)
            failure(answer, 401, "TokenError")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert server.http.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    basic = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    assert server.http.get("/label-studio/health", headers={"Authorization": f"Basic {basic}"}).status_code == 200
    assert server.http.get("/healthz").json()["token"] is True
    assert server.http.get("/").status_code == 200


def test_without_the_token_not_even_the_body_is_taken(start) -> None:
    server = start(token=TOKEN)
    head = b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n"
    assert raw(server.url, head).startswith(b"HTTP/1.1 401")


def test_a_network_address_demands_a_token() -> None:
    with pytest.raises(InputError, match="--token"):
        Settings(host="0.0.0.0")  # noqa: S104
    assert not Settings(host="0.0.0.0", token=TOKEN).loopback  # noqa: S104
    assert TOKEN not in repr(Settings(token=TOKEN))


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "short"},
        {"token": "with a space"},
        {"port": 70000},
        {"workers": 0},
        {"models": ()},
        {"limits": {"max_pixels": 0}},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Settings(**{**wrong, **({"limits": Limits(**wrong["limits"])} if "limits" in wrong else {})})


def test_models_are_named_with_or_without_weights() -> None:
    engine = EngineOptions(runtime="onnx")
    assert engine.named("mobile-sam") == EngineOptions(model="mobile-sam", runtime="onnx")
    assert str(engine.named("sam-vit-b=/w/b.safetensors").weights) == "/w/b.safetensors"


def test_foreign_hosts_and_origins_are_refused(here) -> None:
    failure(here.http.get("/healthz", headers={"Host": "evil.example:80"}), 403, "OriginError")
    failure(here.http.get("/v1/images", headers={"Origin": "http://evil.example"}), 403, "OriginError")
    failure(here.http.get("/v1/images", headers={"Origin": "null"}), 403, "OriginError")
    own = here.url
    assert here.http.get("/v1/images", headers={"Origin": own}).status_code == 200
    answer = here.http.get("/v1/images")
    assert "access-control-allow-origin" not in answer.headers


def test_an_allowed_origin_may_use_the_server(start) -> None:
    page = "http://localhost:5173"
    server = start(origins=(page,), token=TOKEN)
    asked = {"Origin": page, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    answer = server.http.options("/v1/classes", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == page
    answer = server.http.get("/v1/classes", headers={"Origin": page, "Authorization": f"Bearer {TOKEN}"})
    assert answer.headers["access-control-allow-origin"] == page
    failure(server.http.get("/v1/classes", headers={"Origin": "http://localhost:1"}), 403, "OriginError")


def test_every_answer_isolates_the_page(here) -> None:
    for path in ("/", "/healthz", "/v1/images", "/nothing"):
        headers = here.http.get(path).headers
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert len(headers["X-Request-Id"]) == 16


def test_bodies_beyond_the_limit_are_refused_with_and_without_a_length(start) -> None:
    server = start(limits=Limits(max_upload_bytes=1000, max_json_bytes=500))
    headers = {"Content-Type": "application/octet-stream"}
    big = bytes(70_000)
    failure(server.http.post("/v1/images", content=big, headers=headers), 413, "TooLargeError")

    def chunks() -> Iterator[bytes]:
        yield from (big[:20_000] for _ in range(5))

    failure(server.http.post("/v1/images", content=chunks(), headers=headers), 413, "TooLargeError")
    json_headers = {"Content-Type": "application/json"}
    failure(server.http.put("/v1/classes", content=b" " * 501, headers=json_headers), 413, "TooLargeError")


def test_a_wrong_length_and_a_body_that_never_comes(start) -> None:
    server = start(limits=Limits(body_seconds=0.2, head_seconds=600))
    for length in (b"-5", b"x"):
        head = b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " + length
        assert raw(server.url, head + b"\r\n\r\n").startswith(b"HTTP/1.1 400")
    head = b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc"
    assert raw(server.url, head).startswith(b"HTTP/1.1 408")


SLOW: Any = {"head_seconds": 600.0, "body_seconds": 600.0}
"""Time limits of bodies that the test does not speak of."""


@contextlib.contextmanager
def half_sent(server: Running, announced: int, sent: int, client: bytes = b"127.0.0.1") -> Iterator[None]:
    """Sends a part of a body, as a proxy does for `client`, and waits until the server has it."""
    head = b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\nContent-Length: %d\r\n\r\n"
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as held:
        before = server.metric(PENDING)
        held.sendall(head % (client, announced) + bytes(sent))
        until(lambda: server.metric(PENDING) >= before + sent)
        yield


def test_all_bodies_together_are_limited(start, monkeypatch) -> None:
    monkeypatch.setattr(middleware, "_SMALL", 1000)
    server = start(limits=Limits(max_upload_bytes=100_000, max_pending_bytes=150_000, client_share=1.0, **SLOW))
    with half_sent(server, 100_000, 99_000):
        answer = server.http.post("/v1/images", content=bytes(40_000), headers={"Content-Type": "image/png"})
        failure(answer, 503, "BusyError")
        assert answer.headers["Retry-After"] == "2"
        with half_sent(server, 40_000, 32_000):  # with them 131,000: what large bodies may have
            assert server.http.put("/v1/classes", json={"classes": []}).status_code == 200
    until(lambda: not server.metric(PENDING))


def test_one_client_has_a_share_of_bodies_and_requests(start) -> None:
    server = start(limits=Limits(max_pending_bytes=100_000, max_requests=4, client_share=0.5, **SLOW))
    with half_sent(server, 60_000, 40_000):
        answer = server.http.post("/v1/images", content=bytes(11_000), headers={"Content-Type": "image/png"})
        failure(answer, 503, "BusyError")
        assert server.http.get("/v1/limits").status_code == 200
        with half_sent(server, 9, 1):  # half of four: there is no third
            failure(server.http.get("/v1/limits"), 503, "BusyError")


def test_all_clients_have_a_limit_of_bodies_and_requests(start) -> None:
    server = start(limits=Limits(max_pending_bytes=100_000, max_requests=4, client_share=0.5, **SLOW))
    upload = {"content": bytes(30_000), "headers": {"Content-Type": "image/png"}}
    with half_sent(server, 60_000, 40_000, b"10.0.0.1"):
        assert server.http.post("/v1/images", **upload).status_code == 422  # it came in, but is no picture
        with half_sent(server, 60_000, 40_000, b"10.0.0.2"):
            failure(server.http.post("/v1/images", **upload), 503, "BusyError")
            with half_sent(server, 9, 1, b"10.0.0.1"), half_sent(server, 9, 1, b"10.0.0.2"):  # four; there is no fifth
                failure(server.http.get("/v1/limits"), 503, "BusyError")


def test_announced_bodies_keep_nobody_out(start) -> None:
    server = start(limits=Limits(max_upload_bytes=100_000, max_pending_bytes=400_000, **SLOW))
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(half_sent(server, 100_000, 1))
        assert server.http.put("/v1/classes", json={"classes": []}).status_code == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"classes": [], "classes": []}', "twice"),
        (b'{"classes": NaN}', "NaN"),
        (b'{"classes": 1e999}', "too large"),
        (b'{"classes": ' + b"9" * 5000 + b"}", "digits"),
        (b"\xff\xfe", "UTF-8"),
        (b"{", "character"),
        (b"[" * 100 + b"]" * 100, "deeper"),
        (b"[" * 100_000, "deeper"),
    ],
)
def test_json_is_strict(here, body: bytes, says: str) -> None:
    answer = here.http.put("/v1/classes", content=body, headers={"Content-Type": "application/json"})
    assert says in failure(answer, 400, "JSONError")


def test_brackets_in_strings_are_no_nesting(here) -> None:
    name = '"[[[[' * 40
    answer = here.http.put("/v1/classes", json={"classes": [{"name": name[:200]}]})
    assert answer.json()["classes"] == [{"name": name[:200], "colour": None}]


def test_json_with_too_many_values(here) -> None:
    body = b'{"classes": [' + b"[]," * 250_001 + b"[]]}"
    answer = here.http.put("/v1/classes", content=body, headers={"Content-Type": "application/json"})
    failure(answer, 413, "TooLargeError")


def test_other_types_of_bodies_are_refused(here) -> None:
    answer = here.http.put("/v1/classes", content=b"a=b", headers={"Content-Type": "text/plain"})
    failure(answer, 415, "MediaTypeError")
    failure(here.http.put("/v1/classes", headers={"Content-Type": "application/json"}), 422, "SchemaError")


def test_routes_and_methods_that_do_not_exist(here) -> None:
    assert "/openapi.json" in failure(here.http.get("/v2/images"), 404, "NotFoundError")
    failure(here.http.post("/nothing", json={}), 404, "NotFoundError")
    answer = here.http.patch("/v1/classes", json={})
    failure(answer, 405, "MethodError")
    assert "GET" in answer.headers["Allow"]


def test_health_limits_models_and_metrics(here, picture) -> None:
    import promptseg

    assert here.http.get("/healthz").json() == {
        "status": "ok",
        "version": promptseg.__version__,
        "studio": studio() is not None,
        "token": False,
    }
    assert here.http.get("/v1/limits").json() == json.loads(json.dumps(here.parts.limits.as_json()))
    (model,) = here.http.get("/v1/models").json()["models"]
    assert (model["name"], model["semantic"], model["runtime"]) == ("mobile-sam-clicks", True, "onnx")
    here.http.get(f"/v1/images/{picture['id']}")
    text = here.http.get("/metrics").text
    assert 'promptseg_requests_total{method="GET",route="/v1/images/{image}",status="200"}' in text
    assert "promptseg_images 0.0" not in text
    assert "promptseg_jobs_pending" in text


def test_decoders_that_do_not_exist(here) -> None:
    failure(here.http.get("/v1/models/mobile-sam-clicks/encoder.onnx"), 404, "NotFoundError")
    failure(here.http.get("/v1/models/nobody/decoder.onnx"), 404, "NotFoundError")


@pytest.mark.parametrize("origin", ["http://[::1", "http://[", "null", "", "//", "http://a]b"])
def test_an_origin_that_is_none_is_foreign(start, origin: str) -> None:
    server = start(token=TOKEN)
    failure(server.http.get("/healthz", headers={"Origin": origin}), 403, "OriginError")
