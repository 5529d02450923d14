"""The one error tree of promptseg.

    PromptsegError
    ├── InputError (ValueError)         what the caller gave cannot be used
    │   ├── ImageError                  the picture cannot be read or is too large
    │   ├── PromptError                 a prompt is malformed or does not fit the picture or the model
    │   └── FormatError                 a label file (COCO, labelme, RLE, ...) is malformed
    ├── WeightsError                    a checkpoint is missing, damaged or of another architecture
    ├── UnavailableError (ImportError)  an optional part is not installed
    ├── OutputError (OSError)           a result cannot be written
    └── ServerError                     a server refuses, or cannot be reached

Every message says what was given, what was expected and what to do.
"""


class PromptsegError(Exception):
    """Base of every error that promptseg raises on purpose."""


class InputError(PromptsegError, ValueError):
    """What the caller gave cannot be used."""


class ImageError(InputError):
    """The picture cannot be read, is damaged, or is larger than the limit."""


class PromptError(InputError):
    """A prompt is malformed, or does not fit the picture or the model."""


class FormatError(InputError):
    """A label file or an encoded mask is malformed."""


class WeightsError(PromptsegError):
    """A checkpoint is missing, damaged, or belongs to another architecture."""


class UnavailableError(PromptsegError, ImportError):
    """An optional part of promptseg is not installed."""

    @classmethod
    def extra(cls, what: str, extra: str) -> "UnavailableError":
        """Says which extra brings `what`."""
        return cls(f'{what} is not installed. Install it with: pip install "promptseg[{extra}]"')


class OutputError(PromptsegError, OSError):
    """A result cannot be written."""


class ServerError(PromptsegError):
    """A server refuses, or cannot be reached.

    Attributes:
        status: of HTTP; 0 when there was no answer.
        kind: the server's name of the error.
        retry_after: seconds after which to try again, where the server says so.
    """

    def __init__(self, message: str, status: int = 0, kind: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.retry_after = status, kind, retry_after


_SHOWN = 80


def shorten(value: object) -> str:
    """Returns a value in one short line, for messages."""
    if isinstance(value, str | bytes):
        value = value[:_SHOWN]  # a text of megabytes is not looked through for one line
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
