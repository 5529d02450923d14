"""Recordings over HTTP: heard, bounded, and not kept."""

import base64
import io
import wave
from typing import Any

import numpy as np
import pytest

from promptseg import Audio, Text
from promptseg.client import Client
from promptseg.server import ears
from promptseg.server.settings import Limits
from promptseg.speech.engine import Said
from promptseg.speech.whisper import Whisper

SAID = Said("Please segment the person.", "en", {"en": 0.9}, 0.01, -0.1, 0.7)


class Hearing:
    """Hears always the same."""

    def speaks(self, samples: Any) -> bool:
        return True

    def write(self, samples: Any, languages: tuple[str, ...]) -> Said:
        return SAID


def wav(seconds: float = 1.0, loud: float = 0.3) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        tone = loud * np.sin(np.arange(round(seconds * 16_000)) / 5)
        out.writeframes((tone * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def sent(content: bytes) -> dict[str, str]:
    return {"data": base64.b64encode(content).decode()}


def audio(content: bytes, **more: Any) -> dict[str, Any]:
    return {"type": "audio", "file": sent(content), **more}


@pytest.fixture
def hears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ears, "Whisper", lambda model: Whisper(engine=Hearing()))
    monkeypatch.setattr(ears, "speech_folder", lambda model: model)


@pytest.mark.usefixtures("hears")
def test_recordings_are_heard(start, astronaut, tmp_path) -> None:
    server = start()
    picture = server.upload(astronaut)
    route = f"/v1/images/{picture['id']}/segment"
    answer = server.http.post("/v1/hear", json={"file": sent(wav()), "language": "en"})
    assert answer.json() == {"words": "Please segment the person.", "phrase": "the person", "language": "en"}
    spoken = server.http.post(route, json={"prompts": [audio(wav())]}).json()
    written = server.http.post(route, json={"prompts": [{"type": "text", "phrase": "the person"}]}).json()
    assert spoken.pop("heard") == ["the person"]
    assert spoken == written
    assert written["masks"]
    assert all("audio" in model["prompts"] for model in server.http.get("/v1/models").json()["models"])

    session = server.http.post("/v1/sessions", json={"image": picture["id"]}).json()["id"]
    state = server.http.post(f"/v1/sessions/{session}/prompts", json={"prompts": [audio(wav())]}).json()
    assert state["rounds"][0]["prompts"] == [{"type": "text", "phrase": "the person"}], "no recording is kept"

    (tmp_path / "a.wav").write_bytes(wav())
    with Client(str(server.http.base_url)) as client:
        image = client.upload(astronaut)
        assert client.segment(image, Audio(tmp_path / "a.wav")).masks == client.segment(image, Text("the person")).masks


@pytest.mark.usefixtures("hears")
def test_what_is_too_much_or_damaged(start, astronaut) -> None:
    server = start(limits=Limits(max_audio_bytes=100_000, max_audio_seconds=2))
    route = f"/v1/images/{server.upload(astronaut)['id']}/segment"

    def status(*prompts: dict[str, Any]) -> tuple[int, str]:
        answer = server.http.post(route, json={"prompts": list(prompts)})
        return answer.status_code, answer.json().get("error", {}).get("message", "")

    assert status(audio(wav(4)))[0] == 413
    assert status(*[audio(wav())] * 5)[0] == 413
    for content, says in ((wav(2.5), "longer than 2"), (b"", "empty"), (b"nothing", "damaged"), (wav(1, 0), "silent")):
        code, message = status(audio(content))
        assert (code, says in message) == (422, True), message
    assert status({"type": "audio", "file": {"data": "%%%"}})[0] == 422
    assert status({"type": "audio", "file": "/etc/passwd"})[0] == 422
    assert status(audio(wav(), language="fr"))[0] == 422
    assert status(audio(wav(), phrase="dog"))[0] == 422
    kept = [{"id": "a", "segmentation": {"size": [1, 1], "counts": "01"}, "prompts": [audio(wav())]}]
    objects = route.replace("segment", "objects")
    assert server.http.put(objects, json={"objects": kept}).status_code == 422, "recordings are not stored"


def test_a_server_that_does_not_hear(start, astronaut, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path / "empty"))
    server = start()
    answer = server.http.post("/v1/hear", json={"file": sent(wav())})
    assert answer.status_code == 422
    assert "promptseg models download whisper-base" in answer.json()["error"]["message"]
    assert str(tmp_path) not in answer.text
    assert all("audio" not in model["prompts"] for model in server.http.get("/v1/models").json()["models"])
