"""A file that goes along with a message, and the shapes in which callers hand files over."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mailwright.errors import InvalidAttachment
from mailwright.model.address import UNSAFE

#: checklist 89: what one attachment may weigh unless the operator says otherwise
MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024

# RFC 2045 section 5.1 token, and RFC 6838 section 4.2 for the length of each name.
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+\-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+\-]{0,126}\Z")
_CONTENT_ID = re.compile(r"[!-;=?-~]+\Z")


class Disposition(StrEnum):
    """How a mail program shows the part (RFC 2183 section 2)."""

    ATTACHMENT = "attachment"
    INLINE = "inline"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file. A content id makes it something that the HTML can show: `<img src="cid:logo">`."""

    filename: str
    data: bytes
    #: such as "application/pdf"; empty: guessed from the file name, else application/octet-stream
    content_type: str = ""
    disposition: Disposition = Disposition.ATTACHMENT
    #: without angle brackets; empty when the HTML does not refer to it
    content_id: str = ""

    def __post_init__(self) -> None:
        # Any other character may stand in a file name. What looks like a path in it is for the reader's program not
        # to follow (RFC 2183 section 2.3): a changed name would help nobody.
        if UNSAFE.search(self.filename):
            raise InvalidAttachment("a file name must not contain control characters", field="attachments")
        if self.content_type and not _TYPE.match(self.content_type):
            raise InvalidAttachment(
                "the content type is not of the form type/subtype",
                field="attachments",
                hint="such as application/pdf",
            )
        if self.content_id and not _CONTENT_ID.match(self.content_id):
            raise InvalidAttachment(
                "a content id is printable ASCII without spaces and angle brackets", field="attachments"
            )

    def __repr__(self) -> str:
        return f"Attachment({self.filename!r}, {len(self.data)} bytes, {self.content_type or 'type by name'})"


AttachmentsInput = str | Mapping[str, object] | Iterable[object] | None


def parse_attachments(value: AttachmentsInput, *, max_bytes: int = MAX_ATTACHMENT_BYTES) -> tuple[Attachment, ...]:
    """Attachments from what callers have.

    A mapping of file name to value; a list of `Attachment`s and objects such as
    `{"filename": …, "data": …, "content_type": …, "encoding": "text" | "base64"}` (`key` and `value`,
    `contentType` and `contentId` are understood too); or such a list as JSON text. A value is bytes, text, an
    object with `data` in it, or any other JSON value, which becomes its JSON text.
    """
    out = tuple(_read(value))
    for index, attachment in enumerate(out):
        if len(attachment.data) > max_bytes:
            raise InvalidAttachment(
                f"{attachment.filename!r} has {len(attachment.data)} bytes, more than the {max_bytes} allowed",
                field=f"attachments[{index}]",
                hint="send a link, or raise the limit",
            )
    return out


def _read(value: AttachmentsInput) -> Iterator[Attachment]:
    match value:
        case None:
            return
        case str():
            yield from _read(_load_json(value)) if value.strip() else ()
        case Mapping():
            for index, (filename, item) in enumerate(value.items()):
                yield _from_value(str(filename), item, {}, index)
        case bytes() | bytearray() | Attachment():
            raise InvalidAttachment("expected a list of attachments", field="attachments", hint="put it into a list")
        case Iterable():
            for index, item in enumerate(value):
                yield item if isinstance(item, Attachment) else _from_object(item, index)
        case _:
            raise InvalidAttachment(
                f"expected a list or a mapping of attachments, got {type(value).__name__}",
                field="attachments",
            )


def _load_json(text: str) -> list[object]:
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError):
        loaded = None
    if not isinstance(loaded, list):
        raise InvalidAttachment(
            "the attachments are not a JSON array",
            field="attachments",
            hint='write [{"filename": "a.txt", "data": "…"}]',
        )
    return loaded


def _from_object(item: object, index: int) -> Attachment:
    if not isinstance(item, Mapping):
        raise InvalidAttachment(f"expected an object, got {type(item).__name__}", field=f"attachments[{index}]")
    filename = item.get("filename", item.get("key"))
    if not isinstance(filename, str):
        raise InvalidAttachment("the text `filename` is missing", field=f"attachments[{index}]")
    value = item["value"] if "value" in item else item.get("data")
    return _from_value(filename, value, item, index)


def _from_value(filename: str, value: object, options: Mapping[str, object], index: int) -> Attachment:
    if isinstance(value, Mapping) and "data" in value:
        options = {**options, **value}
        value = value["data"]
    content_type = _text(options, index, "content_type", "contentType")
    if value is not None and not isinstance(value, str | bytes | bytearray | memoryview):
        content_type = content_type or "application/json"
    disposition = _text(options, index, "disposition") or Disposition.ATTACHMENT
    if disposition not in tuple(Disposition):
        raise InvalidAttachment("the disposition is attachment or inline", field=f"attachments[{index}].disposition")
    return Attachment(
        filename,
        _bytes(value, _text(options, index, "encoding"), index),
        content_type,
        Disposition(disposition),
        _text(options, index, "content_id", "contentId", "cid"),
    )


def _text(options: Mapping[str, object], index: int, *names: str) -> str:
    for name in names:
        value = options.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise InvalidAttachment("expected text", field=f"attachments[{index}].{name}")
        return value
    return ""


def _bytes(value: object, encoding: str, index: int) -> bytes:
    where = f"attachments[{index}]"
    if encoding not in ("", "text", "base64"):
        raise InvalidAttachment("the encoding is text or base64", field=f"{where}.encoding")
    match value:
        case None:
            raise InvalidAttachment("the file has no content", field=where, hint="an empty text makes an empty file")
        case bytes() | bytearray() | memoryview():
            return bytes(value)
        case str() if encoding == "base64":
            return _decode_base64(value, where)
        case str():
            return _encode_text(value, where)
        case _:
            return _json_bytes(value, where)


def _encode_text(text: str, where: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidAttachment(
            f"character {error.start} is half of a character (a lone surrogate)", field=where
        ) from None


def _decode_base64(text: str, where: str) -> bytes:
    # Strict: a character too many means that something else was pasted, and half a file helps nobody.
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidAttachment(
            "the content is not valid base64", field=where, hint="use encoding text for text"
        ) from None


def _json_bytes(value: object, where: str) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError):
        raise InvalidAttachment(
            f"a {type(value).__name__} cannot become a file",
            field=where,
            hint="give bytes, text or a JSON value",
        ) from None
