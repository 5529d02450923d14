"""Connections that say nothing, send or read too slowly, or are too many."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
from serving import Running, connect, rest, until

from promptseg.server.connections import client_of
from promptseg.server.settings import Limits


@pytest.mark.parametrize("said", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: "])
def test_who_sends_no_head_is_let_go(start, said: bytes) -> None:
    server = start(limits=Limits(head_seconds=0.2))
    with connect(server) as silent:
        silent.sendall(said)
        rest(silent)  # ends


def test_bytes_one_by_one_win_no_time(start) -> None:
    server = start(limits=Limits(head_seconds=0.2))
    with connect(server) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")
        slow.settimeout(0.02)
        with contextlib.suppress(ConnectionError):  # it was let go
            while True:
                slow.sendall(b"X-A: b\r\n")
                with contextlib.suppress(TimeoutError):
                    if not slow.recv(100):
                        break


def test_a_second_head_has_the_same_time(start) -> None:
    server = start(limits=Limits(head_seconds=0.2))
    with connect(server) as kept:
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        kept.recv(65_536)
        kept.sendall(b"GET /hea")
        rest(kept)  # ends


def test_a_body_must_come_at_a_rate(start) -> None:
    server = start(limits=Limits(head_seconds=0.2, body_rate=10**6, body_seconds=600))
    with connect(server) as slow:
        slow.sendall(b"PUT /v1/classes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" + b" " * 500)
        assert rest(slow).startswith(b"HTTP/1.1 408")


def test_who_does_not_read_is_let_go(start) -> None:
    server = start(limits=Limits(head_seconds=0.3))
    with connect(server) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /v1/models/mobile-sam-clicks/decoder.onnx HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert deaf.recv(1)
        until(lambda: not server.metric("promptseg_connections"))


@contextlib.contextmanager
def many(server: Running, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(server)) for _ in range(count)]


@pytest.mark.parametrize(("share", "most"), [(1.0, 8), (0.5, 4)])
def test_the_oldest_idle_connection_gives_way(start, share: float, most: int) -> None:
    server = start(limits=Limits(max_connections=8, client_share=share, head_seconds=600))
    with many(server, 20) as silent:
        assert server.http.get("/healthz").status_code == 200
        for one in silent[: 20 - most + 1]:
            assert rest(one) == b""  # ends
        for one in silent[20 - most + 1 :]:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one.recv(65_536).startswith(b"HTTP/1.1 200")


def test_when_all_are_busy_a_new_one_is_refused(start) -> None:
    server = start(limits=Limits(max_connections=3, client_share=1.0, head_seconds=600, body_seconds=600))
    with many(server, 3) as busy:
        for one in busy:
            one.sendall(
                b"PUT /v1/classes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
            )
            assert one.recv(100).startswith(b"HTTP/1.1 100")  # its body is being waited for
        with connect(server) as new:
            answer = rest(new)
        assert answer.startswith(b"HTTP/1.1 503")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head


def test_two_hundred_busy_connections_are_answered(start) -> None:
    server = start()
    with many(server, 200) as clients:
        for one in clients:
            one.sendall(b"PUT /v1/classes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        for one in clients:
            one.sendall(b"Content-Length: 14\r\nConnection: close\r\n\r\n" + b'{"classes":[]}')
        assert [rest(one)[:12] for one in clients] == [b"HTTP/1.1 200"] * 200


def test_an_address_is_one_client() -> None:
    assert client_of({"client": ("10.0.0.1", 5)}) == "10.0.0.1"
    assert client_of({"client": ("2001:db8::1", 5)}) == client_of({"client": ("2001:db8::ffff", 6)})
    assert client_of({"client": ("2001:db8:0:1::1", 5)}) != client_of({"client": ("2001:db8::1", 5)})
    assert client_of({"client": ("::ffff:10.0.0.1", 5)}) == "10.0.0.1"
    assert client_of({"client": ("fe80::1%eth0", 5)}) == client_of({"client": ("fe80::2%eth0", 5)})
    assert client_of({"client": None}) == client_of({}) == ""
    assert client_of({"client": ("testclient", 1)}) == "testclient"
