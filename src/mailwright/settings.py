"""Every setting of the operator once: its type, default, sentence and environment name."""

import json
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from mailwright.errors import InvalidAccount, InvalidSetting
from mailwright.model.account_fields import ehlo_name_of


class Settings(BaseSettings):
    """Read from the environment as MAILWRIGHT_<NAME>. Several values are separated by commas."""

    model_config = SettingsConfigDict(env_prefix="MAILWRIGHT_", frozen=True, extra="forbid")

    dial_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Networks that may be dialled whatever they are, for every purpose."
    )
    dial_refuse: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Networks that may never be dialled. Wins over everything else."
    )
    ehlo_name: str = Field(
        default="",
        description="The name that EHLO says. Empty: the full name of this host, else its address.",
    )

    @field_validator("dial_allow", "dial_refuse", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        """`10.1.0.0/16, 10.2.0.0/16`, or the same as a JSON array."""
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return _json(value)
        return tuple(item.strip() for item in value.split(",") if item.strip())

    @field_validator("ehlo_name")
    @classmethod
    def _sayable(cls, value: str) -> str:
        try:
            return ehlo_name_of(value)
        except InvalidAccount as error:
            raise ValueError(error.message) from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("brackets in brackets without end") from None


def read_settings() -> Settings:
    """The settings of this process. A value that cannot be used is an InvalidSetting that names it."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        # What a check here says, without pydantic's word for its kind.
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidSetting(message, field=name, hint=f"set MAILWRIGHT_{name.upper()}") from None
    except (SettingsError, ValueError) as error:
        raise InvalidSetting(str(error)) from None
