"""Attachments from files of this machine: for the library and the command line, never for a path in a request."""

from pathlib import Path

from mailwright.errors import InvalidAttachment
from mailwright.model.attachment import MAX_ATTACHMENT_BYTES, Attachment, Disposition


def attachment_from_file(
    path: str | Path, *, content_id: str = "", content_type: str = "", max_bytes: int = MAX_ATTACHMENT_BYTES
) -> Attachment:
    """The file under its own name. With a content id it is shown where the HTML says `cid:…`."""
    file = Path(path)
    field = "attachments"
    try:
        size = file.stat().st_size
        if size > max_bytes:
            message = f"{file.name!r} has {size} bytes, more than the {max_bytes} allowed"
            raise InvalidAttachment(message, field=field, hint="send a link, or raise the limit")
        data = file.read_bytes()
    except OSError as error:
        raise InvalidAttachment(f"cannot read {str(path)!r}: {error.strerror}", field=field) from None
    disposition = Disposition.INLINE if content_id else Disposition.ATTACHMENT
    return Attachment(file.name, data, content_type, disposition, content_id)
