"""Every setting of the operator once: its type, default, sentence and environment name."""

import difflib
import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mailwright.errors import InvalidAccount, InvalidSetting
from mailwright.model.account_fields import ehlo_name_of
from mailwright.secret import Secret


def _several(value: Any) -> Any:
    """`10.1.0.0/16, 10.2.0.0/16`, or the same as a JSON array."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _json(value)
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("brackets in brackets without end") from None


TextList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_several)]


class Settings(BaseSettings):
    """Each is set by an option, as MAILWRIGHT_<NAME>, or in a TOML file. Several values are separated by commas."""

    model_config = SettingsConfigDict(
        env_prefix="MAILWRIGHT_", frozen=True, extra="forbid", arbitrary_types_allowed=True
    )

    dial_allow: TextList = Field(
        default=(),
        description="Networks and names, with a port or without, that may be dialled for every purpose.",
    )
    dial_allow_account: TextList = Field(
        default=(), description="The same, for mail servers of accounts that an administrator made."
    )
    dial_allow_caller_account: TextList = Field(
        default=(), description="The same, for mail servers that come along with a request."
    )
    dial_allow_webhook: TextList = Field(default=(), description="The same, for webhooks.")
    dial_allow_callback: TextList = Field(default=(), description="The same, for the callbacks of waiting flows.")
    dial_allow_attachment: TextList = Field(
        default=(), description="The same, for attachments that are read from an address."
    )
    dial_allow_token_endpoint: TextList = Field(
        default=(), description="The same, for the places that access tokens come from."
    )
    dial_allow_discovery: TextList = Field(
        default=(), description="The same, for looking up the settings of mail providers."
    )
    dial_refuse: TextList = Field(
        default=(), description="Networks that may never be dialled. Wins over everything else."
    )
    ehlo_name: str = Field(
        default="",
        description="The name that EHLO says. Empty: the full name of this host, else its address.",
    )

    data: Path = Field(
        default=Path("mailwright-data"),
        description="The directory for everything that is kept: database, bodies, keys.",
    )
    database: str = Field(
        default="",
        description="The address of the database, such as postgresql+psycopg://user:password@host/name. "
        "Empty: a SQLite file in the data directory.",
    )
    roles: TextList = Field(
        default=("api", "courier", "timer"),
        description="What this process does: api (HTTP), courier (sends mail and webhooks), timer (clears up).",
    )
    host: str = Field(default="127.0.0.1", description="The address to listen at.")
    port: int = Field(default=8400, ge=0, le=65535, description="The port to listen at. 0: any that is free.")
    public_url: str = Field(
        default="",
        description="The address under which people reach this service, such as https://mail.example.org. "
        "Links in mails begin with it.",
    )
    trusted_proxies: TextList = Field(
        default=(), description="Addresses and networks of proxies whose word about the client counts."
    )
    tls_cert: str = Field(default="", description="PEM file of the certificate chain to serve HTTPS with.")
    tls_key: str = Field(default="", description="PEM file of its private key.")
    keys: Secret | None = Field(
        default=None,
        description="Keys for everything at rest, as id:base64,id:base64; the first is the newest. "
        "Empty: a file in the data directory, made at the first start.",
    )
    keys_file: str = Field(default="", description="The file with those keys, where it is another.")
    keys_command: str = Field(default="", description="A command that prints those keys, run without a shell.")
    max_request_bytes: int = Field(
        default=36_700_160, gt=0, description="The largest request that the HTTP API reads (35 MiB)."
    )
    requests_per_second: float = Field(
        default=1000.0, gt=0, description="Requests that one token may make in a second, on each node."
    )
    concurrent_requests: int = Field(
        default=256, gt=0, description="Requests of one token that may be under way at once, on each node."
    )
    default_account: str = Field(
        default="",
        description="The name of the account that sends what names none, in each workspace that has it.",
    )
    courier_window: int = Field(default=600, gt=0, description="Messages that a node has in its hands at once.")
    lease_seconds: float = Field(
        default=60.0, ge=2, description="After this long the work of a node that died is done by another."
    )
    drain_seconds: float = Field(
        default=20.0, ge=0, description="How long a node that stops waits for messages that are under way."
    )
    idempotency_hours: int = Field(
        default=72, ge=24, description="How long an idempotency key is remembered. At least 24."
    )
    keep_messages_days: int = Field(
        default=0, ge=0, description="Messages that ended are removed after so many days. 0: never."
    )
    keep_events_days: int = Field(
        default=90, ge=1, description="Events are removed after so many days, and can be replayed until then."
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="Lines for people (console), or JSON for programs."
    )

    def dial_allow_by_purpose(self) -> dict[str, tuple[str, ...]]:
        """The lists that count for one purpose alone, by its name."""
        prefix = "dial_allow_"
        return {name.removeprefix(prefix): value for name, value in self if name.startswith(prefix)}

    @field_validator("keys", mode="before")
    @classmethod
    def _secret(cls, value: Any) -> Any:
        return Secret(value) if isinstance(value, str) and value else value or None

    @field_validator("ehlo_name")
    @classmethod
    def _sayable(cls, value: str) -> str:
        try:
            return ehlo_name_of(value)
        except InvalidAccount as error:
            raise ValueError(error.message) from None


PREFIX = "MAILWRIGHT_"
#: the file that is read when none is named: here, else in the data directory
FILE_NAME = "mailwright.toml"
FILE_VARIABLE = f"{PREFIX}CONFIG"


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """One setting as it is in force, for people: secrets are masked."""

    name: str
    value: Any
    #: `--port`, `MAILWRIGHT_PORT`, `/etc/mailwright.toml`, or `default`
    origin: str
    description: str


@dataclass(frozen=True, slots=True)
class _Given:
    value: Any
    origin: str


def read_settings(*, flags: Mapping[str, Any] | None = None, file: str | Path = "") -> Settings:
    """The settings of this process: from `flags`, then the environment, then a TOML file, then the defaults.

    A flag that is None was not given. A value that cannot be used is an InvalidSetting that names it and its origin.
    """
    return _validated(_gathered(flags or {}, str(file)))


def effective_settings(
    *, flags: Mapping[str, Any] | None = None, file: str | Path = ""
) -> tuple[EffectiveSetting, ...]:
    """Every setting with what `read_settings` would make of it, and where that comes from."""
    given = _gathered(flags or {}, str(file))
    settings = _validated(given)
    return tuple(
        EffectiveSetting(
            name,
            _shown(getattr(settings, name)),
            given[name].origin if name in given else "default",
            part.description or "",
        )
        for name, part in Settings.model_fields.items()
    )


def _validated(given: Mapping[str, _Given]) -> Settings:
    try:
        return Settings(**{name: found.value for name, found in given.items()})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        origin = given[name].origin if name in given else PREFIX + name.upper()
        # What a check here says, without pydantic's word for its kind.
        raise InvalidSetting(
            first["msg"].removeprefix("Value error, "), field=name, hint=f"it comes from {origin}: correct it there"
        ) from None


def _gathered(flags: Mapping[str, Any], file: str) -> dict[str, _Given]:
    """What was given for each setting, by the origin that counts."""
    from_flags = {
        name: _Given(value, f"--{name.replace('_', '-')}") for name, value in flags.items() if value is not None
    }
    variables = {name.upper(): value for name, value in os.environ.items()}
    from_environment = {
        name: _Given(variables[PREFIX + name.upper()], PREFIX + name.upper())
        for name in Settings.model_fields
        if PREFIX + name.upper() in variables
    }
    above = {**from_environment, **from_flags}
    named = file or variables.get(FILE_VARIABLE, "")
    if named:
        path: Path | None = Path(named)
    else:
        data = above["data"].value if "data" in above else Settings.model_fields["data"].default
        path = _found_file(Path(data))
    return {**(_from_file(path) if path is not None else {}), **above}


def _found_file(data: Path) -> Path | None:
    for path in (Path(FILE_NAME), data / FILE_NAME):
        try:
            status = path.stat()
        except OSError:
            continue
        # Settings name commands to run: a file that nobody named and that others could have written is not obeyed.
        if status.st_uid not in {os.geteuid(), 0} or status.st_mode & stat.S_IWOTH:
            raise InvalidSetting(
                f"{str(path)!r} may have been written by somebody else",
                field="config",
                hint=f"name it, with --config or {FILE_VARIABLE}, or change who owns it and may write it",
            )
        return path
    return None


def _from_file(path: Path) -> dict[str, _Given]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidSetting(f"cannot read {str(path)!r}: {error.strerror}", field="config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSetting(f"{str(path)!r} is not TOML: {error}", field="config") from None
    known = Settings.model_fields
    for name in content:
        if name not in known:
            near = difflib.get_close_matches(name.replace("-", "_").lower(), known, n=1)
            hint = f"do you mean {near[0]}?" if near else "mailwright config lists them all"
            raise InvalidSetting(f"{str(path)!r} has a setting that does not exist", field=name[:100], hint=hint)
    return {name: _Given(value, str(path)) for name, value in content.items()}


# To the last @: whatever a password has in it, none of it stays.
_USER_INFO = re.compile(r"(?<=://)([^:@/]*):.*@", re.DOTALL)
_PASSWORD_ARGUMENT = re.compile(r"(?<=password=)[^&]*", re.IGNORECASE)


def _shown(value: Any) -> Any:
    """As JSON takes it, without secrets: addresses of databases and proxies have their passwords in them."""
    match value:
        case Secret():
            return "***"
        case tuple():
            return [_shown(item) for item in value]
        case Path():
            return str(value)
        case str() if "://" in value:
            return _PASSWORD_ARGUMENT.sub("***", _USER_INFO.sub(r"\1:***@", value))
        case _:
            return value
