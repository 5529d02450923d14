"""The one file of a form (multipart/form-data), found in a body that is there whole: linear in its bytes."""

from email.message import Message
from email.utils import collapse_rfc2231_value

from promptseg.server.http_errors import HttpError

_MOST_PARTS, _HEAD_BYTES = 16, 4_096


def file_of_form(content: bytes, content_type: str) -> tuple[bytes, str]:
    """Returns the part called `file` and its file name.

    Raises:
        HttpError: 400, the form is damaged or holds several files; 422, it has no such part.
    """
    boundary = _parameter("Content-Type", content_type, "boundary")
    if not boundary or len(boundary) > 70:
        raise _damaged("its Content-Type needs a boundary of at most 70 letters")
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    if content.startswith(delimiter[2:]):
        start = len(delimiter) - 2
    elif (start := content.find(delimiter)) >= 0:
        start += len(delimiter)
    else:
        raise _damaged("it does not hold its boundary")
    files: list[tuple[str, bytes, str]] = []
    for _ in range(_MOST_PARTS):
        if content.startswith(b"--", start):
            break
        end = content.find(delimiter, start)
        body = content.find(b"\r\n\r\n", start, start + _HEAD_BYTES)
        if end < 0 or not 0 <= body < end:
            raise _damaged("it is cut off, or a part has no head")
        name, file_name = _names(content[start:body].decode("utf-8", "replace"))
        if file_name is not None:
            files.append((name, content[body + 4 : end], file_name))
        start = end + len(delimiter)
    else:
        raise _damaged(f"it has more than {_MOST_PARTS - 1} parts")
    if len(files) > 1:
        raise _damaged("it has more than one file")
    if not files or files[0][0] != "file":
        raise HttpError(422, "ImageError", "The form needs one part called 'file', with a file name.")
    return files[0][1:]


def _names(head: str) -> tuple[str, str | None]:
    """Returns the name of a part, and that of its file if it is one."""
    for line in head.split("\r\n"):
        header, _, value = line.partition(":")
        if header.strip().lower() == "content-disposition":
            return _parameter("Content-Disposition", value, "name") or "", _parameter(
                "Content-Disposition", value, "filename"
            )
    return "", None


def _parameter(header: str, value: str, name: str) -> str | None:
    message = Message()
    message[header] = value.strip()
    found = message.get_param(name, header=header)
    return None if found is None else collapse_rfc2231_value(found)


def _damaged(reason: str) -> HttpError:
    return HttpError(400, "FormError", f"The form cannot be read: {reason}.")
