"""Every setting as an option, made of the list in `settings`: none can be forgotten."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from mailwright.settings import Settings

#: other users see command lines: these come from a file or the environment
_NO_OPTION = frozenset({"keys"})
_TYPES: tuple[Any, ...] = (int, float, Path)


def settings_parameters() -> list[inspect.Parameter]:
    """Options that are None unless they are given, for `read_settings(flags=…)`."""
    return [_parameter(name) for name in Settings.model_fields if name not in _NO_OPTION]


def _parameter(name: str) -> inspect.Parameter:
    part = Settings.model_fields[name]
    kind: Any = next((known for known in _TYPES if part.annotation is known), str)
    default = ",".join(part.default) if isinstance(part.default, tuple) else part.default
    help_text = f"{part.description} [dim]\\[{default}][/dim]" if default not in ("", None) else part.description
    option = typer.Option(f"--{name.replace('_', '-')}", help=help_text, rich_help_panel=_panel(name))
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _panel(name: str) -> str:
    if name.startswith("dial_") or name == "ehlo_name":
        return "Connections to others"
    if name in {"host", "port", "public_url", "trusted_proxies", "tls_cert", "tls_key"}:
        return "Listening"
    if name in {"data", "database", "keys_file", "keys_command"} or name.startswith("keep_"):
        return "Store"
    return "Work and limits"


def taken_settings(given: dict[str, Any]) -> dict[str, Any]:
    """The settings among all options that were given."""
    return {name: given.pop(name) for name in Settings.model_fields if name in given}
