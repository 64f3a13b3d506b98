"""Every setting of the operator once: its type, default, sentence and environment name."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment as MAILWRIGHT_<NAME>. Lists are JSON, such as '["10.1.0.0/16"]'."""

    model_config = SettingsConfigDict(env_prefix="MAILWRIGHT_", frozen=True, extra="forbid")

    dial_allow: tuple[str, ...] = Field(
        default=(), description="Networks that may be dialled whatever they are, for every purpose."
    )
    dial_refuse: tuple[str, ...] = Field(
        default=(), description="Networks that may never be dialled. Wins over everything else."
    )
    ehlo_name: str = Field(
        default="",
        description="The name that EHLO says. Empty: the full name of this host, else its address.",
    )
