"""What a server counts, for Prometheus. Each application has its own registry: nothing is global."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """The counters of one application.

    Attributes:
        requests: answers by method, route and status.
        request_seconds: how long requests took, by method and route.
        embeddings: how embeddings were found: "memory", "shared" (with a request at the same time), "computed" (which
            includes those read from disk).
        embedding_seconds: how long embedding took, or reading from disk.
        left: requests whose client left before the answer.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.requests = Counter("promptseg_requests", "Answers", ("method", "route", "status"), registry=self._registry)
        self.request_seconds = Histogram(
            "promptseg_request_seconds",
            "Time from the request to the end of its answer",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.embeddings = Counter(
            "promptseg_embeddings", "How embeddings were found", ("how",), registry=self._registry
        )
        self.embedding_seconds = Histogram(
            "promptseg_embedding_seconds", "Time to embed a picture", buckets=_SECONDS, registry=self._registry
        )
        self.left = Counter("promptseg_clients_left", "Clients that left before their answer", registry=self._registry)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Adds a gauge that asks for its value when it is read."""
        Gauge(f"promptseg_{name}", text, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """Returns everything in Prometheus' text form."""
        return generate_latest(self._registry)
