"""The commands of the command line and the settings of the operator, as tables."""

import inspect
from typing import Any

import typer

from mailwright import cli
from mailwright.cli.office_command import shared_options
from mailwright.cli.settings_flags import settings_parameters
from mailwright.settings import PREFIX, Settings
from scripts.source import Undocumented, code, table

# How the types of settings are called for people.
_TYPES = {
    "<class 'str'>": "text",
    "<class 'int'>": "number",
    "<class 'float'>": "number",
    "<class 'pathlib.Path'>": "path",
    "<class 'pathlib._local.Path'>": "path",
    "tuple[str, ...]": "list of text",
    "mailwright.secret.Secret | None": "secret",
    "typing.Literal['console', 'json']": "`console` or `json`",
}
#: options of every command that works on a service or a store, explained once
_SHARED = frozenset(inspect.signature(shared_options).parameters)


def commands() -> dict[str, Any]:
    """The commands by name, such as `messages list`. Their classes are private to typer."""
    found: dict[str, Any] = {}
    for name, item in _root().items():
        inner = getattr(item, "commands", None)
        if inner is None:
            found[name] = item
        else:
            found.update({f"{name} {own}": command for own, command in inner.items()})
    return found


def groups() -> dict[str, Any]:
    return {name: item for name, item in _root().items() if hasattr(item, "commands")}


def _root() -> dict[str, Any]:
    group: Any = typer.main.get_command(cli.app)
    return dict(group.commands)


def commands_table(_: str) -> str:
    rows = [
        [f"[`mailwright {name}`](#{anchor_of(name)})", said_by(name, item.help)] for name, item in commands().items()
    ]
    return table(["command", "what it does"], rows)


def anchor_of(name: str) -> str:
    return f"mailwright-{name.replace(' ', '-')}"


def group_text(name: str) -> str:
    """Every command of a group, without the options that all of them share."""
    group = groups().get(name)
    if group is None:
        raise Undocumented(f"there is no group of commands {name}")
    parts = [f"{said_by(name, group.help)}\n"]
    parts += [f"### mailwright {name} {own}\n\n{options_text(f'{name} {own}')}" for own in group.commands]
    return "\n".join(parts)


def options_text(name: str) -> str:
    """What a command does and a table of options for each panel of its help."""
    command = commands()[name]
    panels: dict[str, list[list[str]]] = {}
    takes_shared = has_shared_options(command)
    for option in command.params:
        if not (takes_shared and option.name in _SHARED):
            panel = getattr(option, "rich_help_panel", None) or ("Options" if _is_option(option) else "Arguments")
            panels.setdefault(panel, []).append(_option_row(name, option))
    tables = [f"**{panel}**\n\n{table(['option', 'value', 'default', 'meaning'], panels[panel])}" for panel in panels]
    more = ["With the [options of all of these commands](#options-of-all-of-these-commands).\n"] if takes_shared else []
    return "\n".join([f"{said_by(name, command.help)}\n", *tables, *more])


def has_shared_options(command: Any) -> bool:
    """`send` and `serve` have some of them for other ends, and show their own."""
    return {option.name for option in command.params} >= _SHARED and command.name not in ("send", "serve")


def shared_text(_: str) -> str:
    some = commands()["accounts list"]
    rows = [_option_row("accounts list", option) for option in some.params if option.name in _SHARED]
    return table(["option", "value", "default", "meaning"], rows)


def _is_option(option: Any) -> bool:
    return str(option.opts[0]).startswith("-")


def _option_row(command: str, option: Any) -> list[str]:
    names = " / ".join(code(name) for name in (*option.opts, *option.secondary_opts))
    is_flag = getattr(option, "is_flag", False)
    value = "" if is_flag else code(option.metavar or _value_text(option.display_type(None)))
    many = ", may be repeated" if getattr(option, "multiple", False) or option.nargs == -1 else ""
    default = "required" if option.required else _default(option.default)
    environment = f" Environment: {code(str(option.envvar))}." if option.envvar else ""
    return [names, value + many, default, said_by(f"{command} {option.opts[0]}", option.help) + environment]


def _value_text(shown: str) -> str:
    bare = shown.strip("<>").removeprefix("list[").removesuffix("]")
    return {"str": "text", "int": "number", "float": "number", "Path": "path"}.get(bare, bare)


def _default(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else ""
    return "" if value in (None, "", [], ()) else code(str(value))


def said_by(name: str, text: str | None) -> str:
    if not text:
        raise Undocumented(f"{name} needs a help text")
    # `[dim]…[/dim]` shows a default on a terminal; the table has a column for it.
    plain = text.partition(" [dim]")[0]
    return " ".join(plain.split())


def settings_table(_: str) -> str:
    options = {parameter.name for parameter in settings_parameters()}
    rows = []
    for name, field in Settings.model_fields.items():
        if not field.description:
            raise Undocumented(f"the setting {name} needs a description")
        kind = _TYPES.get(str(field.annotation), "")
        if not kind:
            raise Undocumented(f"the setting {name} has the type {field.annotation}: name it in _TYPES")
        option = code(f"--{name.replace('_', '-')}") if name in options else "none"
        rows.append([code(name), code(PREFIX + name.upper()), option, kind, _shown(field.default), field.description])
    return table(["setting", "environment", "option", "type", "default", "meaning"], rows)


def _shown(default: object) -> str:
    if default in ((), "", None):
        return "none"
    return code(", ".join(default) if isinstance(default, tuple) else str(default))
