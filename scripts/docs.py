#!/usr/bin/env python3
"""Writes the parts of the documentation that the code knows better.

A page says where: everything between `<!-- generated: NAME ARGUMENT -->` and `<!-- end -->` is replaced. What the code
does not explain raises `Undocumented`, so that a new field, setting, command or error cannot stay without a sentence.

    ./run docs                                  writes the pages
    .venv/bin/python scripts/docs.py --check    writes nothing; names stale pages and ends with 1
"""

import argparse
import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer

import mailwright
from mailwright import cli, errors
from mailwright.protocol import quirks
from mailwright.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "mailwright"
#: what a code host shows of a code block without a scroll bar
WIDTH = 100

_PART = re.compile(
    r"(?P<head><!-- generated: (?P<name>[a-z-]+)(?: (?P<argument>[^>]+?))? -->\n).*?(?P<tail><!-- end -->)", re.DOTALL
)
_QUIRK_COMMENT = re.compile(r"# QUIRK (?P<name>[a-z_]+): (?P<text>.+)")

# How the types of settings are called for people.
_TYPES = {"<class 'str'>": "text", "tuple[str, ...]": "list of text"}

# Fields whose name says all that their class needs to know; readers want to know a little more.
SENTENCES: dict[str, dict[str, str]] = tomllib.loads((ROOT / "scripts" / "sentences.toml").read_text())


class Undocumented(Exception):
    """Something public has no sentence."""


# --- reading the source -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A field, argument, property or member of a class, as its source says it."""

    name: str
    type: str
    default: str
    sentence: str


@cache
def _module(dotted: str) -> tuple[ast.Module, list[str]]:
    path = SOURCE.parent / Path(*dotted.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = file.read_text()
    return ast.parse(text), text.splitlines()


def _class(dotted: str) -> tuple[ast.ClassDef, list[str]]:
    module, _, name = dotted.rpartition(".")
    tree, lines = _module(module)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node, lines
    raise Undocumented(f"there is no class {dotted}")


def _comment_above(node: ast.stmt, lines: list[str]) -> str:
    """The `#:` lines right above a field."""
    found: list[str] = []
    index = node.lineno - 2
    while index >= 0 and lines[index].strip().startswith("#:"):
        found.insert(0, lines[index].strip().removeprefix("#:").strip())
        index -= 1
    # Numbers of the checklist are for developers.
    return re.sub(r" \(checklist [\d, to]+\)", "", " ".join(found))


def _sentence(owner: str, name: str, found: str) -> str:
    ours = SENTENCES.get(owner, {}).get(name, "")
    if found and ours:
        raise Undocumented(f"{owner}.{name} explains itself: take it out of scripts/sentences.toml")
    if not found and not ours:
        raise Undocumented(f"{owner}.{name}: write a #: comment above it, or a sentence in scripts/sentences.toml")
    return found or ours


def _fields(dotted: str) -> list[Part]:
    node, lines = _class(dotted)
    return [
        Part(
            item.target.id,
            ast.unparse(item.annotation),
            ast.unparse(item.value) if item.value else "",
            _comment_above(item, lines),
        )
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and not item.target.id.startswith("_")
    ]


def _methods(dotted: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    node, _ = _class(dotted)
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            yield item


def _arguments(dotted: str) -> list[Part]:
    """The arguments of a constructor, explained by the fields of the same name."""
    init = next((item for item in _methods(dotted) if item.name == "__init__"), None)
    if init is None:
        return _fields(dotted)
    explained = {part.name: part.sentence for part in _fields(dotted)}
    plain = init.args.args[1:]
    defaults = [None] * (len(plain) - len(init.args.defaults)) + list(init.args.defaults)
    return [
        Part(
            item.arg,
            ast.unparse(item.annotation) if item.annotation else "",
            ast.unparse(default) if default else "",
            explained.get(item.arg, ""),
        )
        for item, default in [
            *zip(plain, defaults, strict=True),
            *zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True),
        ]
    ]


def _first_line(node: ast.AST) -> str:
    return (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")  # type: ignore[arg-type]


# --- writing Markdown ---------------------------------------------------------------------------------------------


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines).replace("|  |", "| |").replace("|  |", "| |")


def arguments_table(dotted: str) -> str:
    owner = dotted.rpartition(".")[2]
    rows = [
        [
            _code(part.name),
            _code(part.type),
            _code(part.default) or "required",
            _sentence(owner, part.name, part.sentence),
        ]
        for part in _arguments(dotted)
    ]
    return _table(["argument", "type", "default", "meaning"], rows)


def fields_table(dotted: str) -> str:
    """What a value holds: its fields, then its properties."""
    owner = dotted.rpartition(".")[2]
    rows = [
        [_code(part.name), _code(part.type), _sentence(owner, part.name, part.sentence)] for part in _fields(dotted)
    ]
    for item in _methods(dotted):
        if any(ast.unparse(mark) == "property" for mark in item.decorator_list) and not item.name.startswith("_"):
            returned = ast.unparse(item.returns) if item.returns else ""
            rows.append([_code(item.name), _code(returned), _sentence(owner, item.name, _first_line(item))])
    return _table(["name", "type", "meaning"], rows)


def members_table(dotted: str) -> str:
    """The values of an enumeration."""
    owner = dotted.rpartition(".")[2]
    node, lines = _class(dotted)
    rows = [
        [_code(str(ast.literal_eval(item.value))), _sentence(owner, item.targets[0].id, _comment_above(item, lines))]
        for item in node.body
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)
    ]
    return _table(["value", "meaning"], rows)


def error_classes() -> list[type[errors.MailwrightError]]:
    """Every error, in the order of the source."""
    found = [item for item in vars(errors).values() if isinstance(item, type)]
    return [item for item in found if issubclass(item, errors.MailwrightError)]


def errors_table(_: str) -> str:
    rows = []
    for kind in error_classes():
        meaning = (kind.__doc__ or "").partition("\n")[0]
        if not meaning or kind.__dict__.get("code") is None:
            raise Undocumented(f"{kind.__name__} needs a code and a docstring of its own")
        parents = ", ".join(_code(parent.__name__) for parent in kind.__bases__)
        rows.append([_code(kind.code), _code(kind.__name__), parents, _temporary(kind), meaning])
    return _table(["code", "class", "is a", "try again?", "meaning"], rows)


def _temporary(kind: type[errors.MailwrightError]) -> str:
    if not issubclass(kind, errors.SendError):
        return "no"
    has_own_rule = "temporary" in kind.__dict__ and kind is not errors.SendError
    if has_own_rule or issubclass(kind, errors.PartlySent | errors.Uncertain):
        return "see below"
    return "yes, unless 5xx" if kind.temporary_by_nature else "only if 4xx"


def quirks_table(_: str) -> str:
    node, lines = _class("mailwright.protocol.quirks.Quirk")
    rows = []
    for item in node.body:
        if isinstance(item, ast.Assign):
            quirk = quirks.Quirk(ast.literal_eval(item.value))
            rows.append([_code(quirk), _comment_above(item, lines), quirks.DESCRIPTIONS[quirk]])
    return _table(["quirk", "what is seen", "what Mailwright does"], rows)


def quirk_comments_table(_: str) -> str:
    """Leniencies of parsers, which stand in the source as `# QUIRK name: text`; servers have their own table."""
    rows = [
        [_code(found["name"]), _code(file.relative_to(SOURCE.parent).as_posix()), found["text"]]
        for file in sorted(SOURCE.rglob("*.py"))
        for found in _QUIRK_COMMENT.finditer(file.read_text())
        if found["name"] not in tuple(quirks.Quirk)
    ]
    return _table(["quirk", "where", "what is seen"], rows)


def commands() -> dict[str, Any]:
    """The commands by name. Their classes are private to typer."""
    group: Any = typer.main.get_command(cli.app)
    return dict(group.commands)


def commands_table(_: str) -> str:
    rows = [[f"[`mailwright {name}`](#mailwright-{name})", _help(name, item.help)] for name, item in commands().items()]
    return _table(["command", "what it does"], rows)


def options_text(name: str) -> str:
    """What a command does and a table of options for each panel of its help."""
    command = commands()[name]
    panels: dict[str, list[list[str]]] = {}
    for option in command.params:
        panels.setdefault(getattr(option, "rich_help_panel", None) or "Options", []).append(_option_row(name, option))
    tables = [f"**{panel}**\n\n{_table(['option', 'value', 'default', 'meaning'], panels[panel])}" for panel in panels]
    return "\n".join([f"{_help(name, command.help)}\n", *tables])


def _option_row(command: str, option: Any) -> list[str]:
    names = " / ".join(_code(name) for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else _code(option.metavar or _value_text(option.display_type(None)))
    many = ", may be repeated" if option.multiple else ""
    default = "required" if option.required else _default(option.default)
    environment = f" Environment: {_code(str(option.envvar))}." if option.envvar else ""
    return [names, value + many, default, _help(f"{command} {option.opts[0]}", option.help) + environment]


def _value_text(shown: str) -> str:
    bare = shown.strip("<>").removeprefix("list[").removesuffix("]")
    return {"str": "text", "int": "number", "float": "number", "Path": "path"}.get(bare, bare)


def _default(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else ""
    return "" if value in (None, "", [], ()) else _code(str(value))


def _help(name: str, text: str | None) -> str:
    if not text:
        raise Undocumented(f"{name} needs a help text")
    return " ".join(text.split())


def _own_docstring(item: object) -> str:
    """The first paragraph of what a class or function says of itself; values and generated texts say nothing."""
    said = getattr(item, "__dict__", {}).get("__doc__") if isinstance(item, type) else None
    if inspect.isfunction(item):
        said = item.__doc__
    if not said or said.startswith(f"{getattr(item, '__name__', '')}("):
        return ""
    return inspect.cleandoc(said).partition("\n\n")[0].replace("\n", " ")


def exports_table(_: str) -> str:
    """The public names, errors left to their own page."""
    kinds = {kind.__name__ for kind in error_classes()}
    rows = [
        [_code(name), _sentence("mailwright", name, _own_docstring(getattr(mailwright, name)))]
        for name in sorted(set(mailwright.__all__) - kinds, key=str.lower)
    ]
    return _table(["name", "what it is"], rows)


def methods_text(dotted: str) -> str:
    """Signature and docstring of each public method of a class."""
    return "\n".join(_explained(item) for item in _methods(dotted) if not item.name.startswith("_"))


def function_text(dotted: str) -> str:
    module, _, name = dotted.rpartition(".")
    found = [item for item in _module(module)[0].body if isinstance(item, ast.FunctionDef) and item.name == name]
    if not found:
        raise Undocumented(f"there is no function {dotted}")
    return _explained(found[0])


def _explained(item: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    said = ast.get_docstring(item)
    if not said:
        raise Undocumented(f"{item.name} needs a docstring")
    return f"### {item.name}\n\n```python\n{_signature(item)}\n```\n\n{said}\n"


def _signature(item: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """One line where it fits, else one line for each argument."""
    arguments = ast.unparse(item.args).removeprefix("self, ").removeprefix("self")
    arguments = re.sub(r"(?<=\S)=(?=\S)", " = ", arguments)
    name = f"await {item.name}" if isinstance(item, ast.AsyncFunctionDef) else item.name
    returned = f" -> {ast.unparse(item.returns)}" if item.returns else ""
    line = f"{name}({arguments}){returned}"
    if len(line) <= WIDTH:
        return line
    # A comma between arguments is followed by a name or a star; one inside brackets by a type.
    split = re.sub(r", (?=\*|\w+(?::| =|\Z))", ",\n    ", arguments)
    return f"{name}(\n    {split},\n){returned}"


def settings_table(_: str) -> str:
    rows = []
    prefix = Settings.model_config.get("env_prefix", "")
    for name, field in Settings.model_fields.items():
        if not field.description:
            raise Undocumented(f"the setting {name} needs a description")
        default = _code(repr(field.default)) if field.default not in ((), "", None) else "none"
        kind = _TYPES.get(str(field.annotation), "")
        if not kind:
            raise Undocumented(f"the setting {name} has the type {field.annotation}: name it in _TYPES")
        rows.append([_code(name), _code(f"{prefix}{name.upper()}"), kind, default, field.description])
    return _table(["setting", "environment", "type", "default", "meaning"], rows)


MAKERS: dict[str, Callable[[str], str]] = {
    "arguments": arguments_table,
    "commands": commands_table,
    "errors": errors_table,
    "exports": exports_table,
    "fields": fields_table,
    "function": function_text,
    "members": members_table,
    "methods": methods_text,
    "options": options_text,
    "quirk-comments": quirk_comments_table,
    "quirks": quirks_table,
    "settings": settings_table,
}


def regenerated(text: str) -> str:
    """A page with its generated parts made anew."""

    def part(found: re.Match[str]) -> str:
        return f"{found['head']}\n{MAKERS[found['name']](found['argument'] or '')}\n{found['tail']}"

    return _PART.sub(part, text)


def pages() -> list[Path]:
    return sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes the generated parts of the documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a page is stale")
    check = parser.parse_args().check
    stale = [page for page in pages() if regenerated(page.read_text()) != page.read_text()]
    for page in stale:
        if not check:
            page.write_text(regenerated(page.read_text()))
        sys.stdout.write(f"{'stale' if check else 'written'}: {page.relative_to(ROOT)}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
