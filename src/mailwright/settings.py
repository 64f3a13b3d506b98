"""Every setting of the operator once: its type, default, sentence and environment name."""

import json
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from mailwright.errors import InvalidSetting


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
            return json.loads(value)
        return tuple(item.strip() for item in value.split(",") if item.strip())


def read_settings() -> Settings:
    """The settings of this process. A value that cannot be used is an InvalidSetting that names it."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        raise InvalidSetting(first["msg"], field=name, hint=f"set MAILWRIGHT_{name.upper()}") from None
    except (SettingsError, ValueError) as error:
        raise InvalidSetting(str(error)) from None
