"""Everything that can be set about a server, with its limits, in one immutable object (the table of SECURITY.md)."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from promptseg.errors import InputError
from promptseg.images.limits import ImageLimits
from promptseg.models.store import cache_folder
from promptseg.runtimes.options import EngineOptions
from promptseg.video.clips.clip import ClipLimits

MIB = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one client, and all together, may ask of a server.

    Attributes:
        max_upload_bytes: the largest file of a picture or a clip.
        max_json_bytes: the largest body of any other request.
        max_pending_bytes: bodies that are being received or worked on, all together; the last eighth is for those of
            at most a mebibyte.
        max_requests: requests at a time; beyond, 503.
        max_connections: connections at a time; beyond, the one that has been idle for longest gives way, else 503.
        client_share: of connections, requests and pending bytes, what one client (an address) may have.
        max_waiting: jobs that wait for a worker; beyond, 503.
        max_everything: searches for everything that wait or run; beyond, 503.
        request_seconds: a job that takes longer, waiting included, is stopped with 503.
        everything_seconds: the same for a search for everything, and for panoptic and labels.
        body_seconds: a body must have arrived by then; beyond, 408.
        head_seconds: the head of a request must have arrived by then; beyond, its connection is closed. After it, a
            body must come, and an answer be read, at `body_rate`.
        body_rate: bytes a second.
        max_pixels: width x height of a picture.
        max_images: stored pictures.
        max_stored_bytes: files of stored pictures, all together.
        max_prompts: prompts in one request.
        max_recordings: recordings in one request.
        max_audio_bytes: the file of a recording.
        max_audio_seconds: of a recording.
        max_videos: stored clips.
        video_bytes: clips on disk.
        max_video_pixels: width x height of a clip's pictures.
        max_video_frames: frames of a clip.
        max_video_seconds: how long a clip lasts.
        video_seconds: following that takes longer, waiting included, is stopped.
        max_vertices: corners and stroke points in one request.
        max_prompt_objects: objects that one request speaks of.
        max_rounds: rounds of one session.
        max_sessions: stored sessions; the one unused for longest goes first.
        max_masks: masks of one answer, of stored objects or of an import.
        max_points_per_side: of a search for everything.
        max_names: classes of a vocabulary, or stored classes.
        max_json_depth: nesting of JSON.
        max_archive_files: files in an archive of labels.
        max_unpacked_bytes: what an archive of labels holds, unpacked.
        max_runs: runs over many pictures that wait or work.
        memory_bytes: pictures with their embeddings kept in memory.
        embedding_bytes: embeddings kept on disk.
    """

    max_upload_bytes: int = 64 * MIB
    max_json_bytes: int = 16 * MIB
    max_pending_bytes: int = 256 * MIB
    max_requests: int = 256
    max_connections: int = 512
    client_share: float = 0.8
    max_waiting: int = 64
    max_everything: int = 4
    request_seconds: float = 30.0
    everything_seconds: float = 600.0
    body_seconds: float = 60.0
    head_seconds: float = 10.0
    body_rate: int = 4_096
    max_pixels: int = 100_000_000
    max_images: int = 10_000
    max_stored_bytes: int = 20 * 1024 * MIB
    max_prompts: int = 1_000
    max_recordings: int = 4
    max_audio_bytes: int = 8 * MIB
    max_audio_seconds: float = 30.0
    max_videos: int = 100
    video_bytes: int = 4 * 1024 * MIB
    max_video_pixels: int = 9_000_000
    max_video_frames: int = 20_000
    max_video_seconds: float = 600.0
    video_seconds: float = 3_600.0
    max_vertices: int = 20_000
    max_prompt_objects: int = 256
    max_rounds: int = 500
    max_sessions: int = 2_000
    max_masks: int = 5_000
    max_points_per_side: int = 64
    max_names: int = 2_000
    max_json_depth: int = 64
    max_archive_files: int = 50_000
    max_unpacked_bytes: int = 512 * MIB
    max_runs: int = 8
    memory_bytes: int = 1024 * MIB
    embedding_bytes: int = 4 * 1024 * MIB

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise InputError(f"{item.name} must be a positive number, got {value!r}.")

        if self.client_share > 1:
            raise InputError(f"client_share is a part, at most 1, got {self.client_share!r}.")

    def share(self, most: int) -> int:
        """Returns how much of `most` one client may have."""
        return max(1, int(most * self.client_share))

    @property
    def clip(self) -> ClipLimits:
        """What a clip may be."""
        return ClipLimits(
            max_bytes=self.max_upload_bytes,
            max_pixels=self.max_video_pixels,
            max_frames=self.max_video_frames,
            max_seconds=self.max_video_seconds,
        )

    @property
    def image(self) -> ImageLimits:
        """What a picture may be."""
        return ImageLimits(max_bytes=self.max_upload_bytes, max_pixels=self.max_pixels)

    def as_json(self) -> dict[str, float]:
        """Returns the table as plain JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelStudio:
    """The one Label Studio whose uploads may be fetched for pre-labelling.

    Attributes:
        url: where it is, such as http://localhost:8080; None: tasks must carry their picture as a data: address.
        token: its access token.
    """

    url: str | None = None
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise InputError(f"Label Studio's address begins with http:// or https://, got {self.url!r}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a server is set up.

    Attributes:
        data: the folder of pictures, embeddings and the database.
        models: what is served, and how each computes; the first is the default. Embeddings are kept in `data`,
            whatever `cache` they name.
        host: the address to listen on. Anything but loopback demands a token.
        port: the port; 0 takes a free one.
        token: what clients must send as `Authorization: Bearer`; None: nothing.
        annotators: names with a token each, which opens the server as `token` does and says who works.
        origins: pages of other origins that may use the server, such as http://localhost:5173.
        workers: computations at a time. One of them at most is a long one, as long as there are two.
        limits: see `Limits`.
        label_studio: see `LabelStudio`.
        speech: a folder with Whisper, or its name; by default the largest that was downloaded.

    Raises:
        InputError: a value is impossible, or a network address has no token.
    """

    data: Path = field(default_factory=lambda: default_data())
    models: tuple[EngineOptions, ...] = (EngineOptions(),)
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = field(default=None, repr=False)
    annotators: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    origins: tuple[str, ...] = ()
    workers: int = 2
    limits: Limits = field(default_factory=Limits)
    label_studio: LabelStudio = field(default_factory=LabelStudio)
    speech: str | Path | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("A server needs at least one model.")
        if not 0 <= self.port <= 65535:
            raise InputError(f"A port is from 0 to 65535, got {self.port}.")
        if self.workers < 1:
            raise InputError(f"A server needs at least one worker, got {self.workers}.")
        tokens = [*([] if self.token is None else [self.token]), *self.annotators.values()]
        if any(len(token) < 8 or not token.isascii() or " " in token for token in tokens):
            raise InputError("A token has at least 8 ASCII characters and no space. Give a longer one.")
        if len(set(tokens)) < len(tokens):
            raise InputError("Two annotators have one token. Give each a token of their own.")
        if not tokens and not self.loopback:
            raise InputError(
                f"Listening on {self.host} opens the server to the network: give a token with --token SECRET (or in "
                "PROMPTSEG_TOKEN), or listen on 127.0.0.1."
            )

    @property
    def guarded(self) -> bool:
        """Whether a token is needed."""
        return self.token is not None or bool(self.annotators)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK


LOOPBACK = ("127.0.0.1", "::1", "localhost")


def default_data(environment: Mapping[str, str] | None = None) -> Path:
    """Returns $PROMPTSEG_DATA, else $XDG_DATA_HOME/promptseg, else ~/.local/share/promptseg. It need not exist."""
    variables = os.environ if environment is None else environment
    if own := variables.get("PROMPTSEG_DATA"):
        return Path(own)
    xdg = variables.get("XDG_DATA_HOME", "")
    if os.path.isabs(xdg):
        return Path(xdg) / "promptseg"
    home = variables.get("HOME")
    return Path(home) / ".local" / "share" / "promptseg" if home else cache_folder(variables) / "server"
