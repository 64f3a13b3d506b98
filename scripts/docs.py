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
from collections.abc import Callable, Sequence
from pathlib import Path

# As a program, not as a module: the folder above is not where Python looks.
sys.path.insert(0, str(Path(__file__).parents[1]))

import mailwright
from mailwright import errors
from mailwright.protocol import quirks
from scripts.commands import commands_table, group_text, options_text, settings_table, shared_text
from scripts.service import SERVICE_MAKERS, http_status
from scripts.source import (
    ROOT,
    SOURCE,
    WIDTH,
    Undocumented,
    arguments_of,
    class_of,
    code,
    comment_above,
    fields_of,
    first_line,
    methods_of,
    module_of,
    sentence_of,
    table,
)

_PART = re.compile(
    r"(?P<head><!-- generated: (?P<name>[a-z0-9-]+)(?: (?P<argument>[^>]+?))? -->\n).*?(?P<tail><!-- end -->)",
    re.DOTALL,
)
_QUIRK_COMMENT = re.compile(r"# QUIRK (?P<name>[a-z_]+): (?P<text>.+)")


def arguments_table(dotted: str) -> str:
    owner = dotted.rpartition(".")[2]
    rows = [
        [
            code(part.name),
            code(part.type),
            code(part.default) or "required",
            sentence_of(owner, part.name, part.sentence),
        ]
        for part in arguments_of(dotted)
    ]
    return table(["argument", "type", "default", "meaning"], rows)


def fields_table(dotted: str) -> str:
    """What a value holds: its fields, then its properties."""
    owner = dotted.rpartition(".")[2]
    rows = [
        [code(part.name), code(part.type), sentence_of(owner, part.name, part.sentence)] for part in fields_of(dotted)
    ]
    for item in methods_of(dotted):
        if any(ast.unparse(mark) == "property" for mark in item.decorator_list) and not item.name.startswith("_"):
            returned = ast.unparse(item.returns) if item.returns else ""
            rows.append([code(item.name), code(returned), sentence_of(owner, item.name, first_line(item))])
    return table(["name", "type", "meaning"], rows)


def members_table(dotted: str) -> str:
    """The values of an enumeration."""
    owner = dotted.rpartition(".")[2]
    node, lines = class_of(dotted)
    rows = [
        [code(str(ast.literal_eval(item.value))), sentence_of(owner, item.targets[0].id, comment_above(item, lines))]
        for item in node.body
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)
    ]
    return table(["value", "meaning"], rows)


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
        parents = ", ".join(code(parent.__name__) for parent in kind.__bases__)
        status = code(str(http_status(kind)))
        rows.append([code(kind.code), code(kind.__name__), parents, _temporary(kind), status, meaning])
    return table(["code", "class", "is a", "try again?", "HTTP", "meaning"], rows)


def _temporary(kind: type[errors.MailwrightError]) -> str:
    if not issubclass(kind, errors.SendError):
        return "no"
    has_own_rule = "temporary" in kind.__dict__ and kind is not errors.SendError
    if has_own_rule or issubclass(kind, errors.PartlySent | errors.Uncertain):
        return "see below"
    return "yes, unless 5xx" if kind.temporary_by_nature else "only if 4xx"


def quirks_table(_: str) -> str:
    node, lines = class_of("mailwright.protocol.quirks.Quirk")
    rows = []
    for item in node.body:
        if isinstance(item, ast.Assign):
            quirk = quirks.Quirk(ast.literal_eval(item.value))
            rows.append([code(quirk), comment_above(item, lines), quirks.DESCRIPTIONS[quirk]])
    return table(["quirk", "what is seen", "what Mailwright does"], rows)


def quirk_comments_table(_: str) -> str:
    """Leniencies of parsers, which stand in the source as `# QUIRK name: text`; servers have their own table."""
    rows = [
        [code(found["name"]), code(file.relative_to(SOURCE.parent).as_posix()), found["text"]]
        for file in sorted(SOURCE.rglob("*.py"))
        for found in _QUIRK_COMMENT.finditer(file.read_text())
        if found["name"] not in tuple(quirks.Quirk)
    ]
    return table(["quirk", "where", "what is seen"], rows)


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
        [code(name), sentence_of("mailwright", name, _own_docstring(getattr(mailwright, name)))]
        for name in sorted(set(mailwright.__all__) - kinds, key=str.lower)
    ]
    return table(["name", "what it is"], rows)


def methods_text(dotted: str) -> str:
    """Signatures and docstring of each public method of a class; properties are told by the page."""
    shown: dict[str, list[str]] = {}
    texts = []
    for item in methods_of(dotted):
        marks = [ast.unparse(mark) for mark in item.decorator_list]
        if item.name.startswith("_") or "property" in marks:
            continue
        if "overload" in marks:
            shown.setdefault(item.name, []).append(_signature(item))
        else:
            texts.append(_explained(item, shown.get(item.name, [])))
    return "\n".join(texts)


def calls_text(dotted: str) -> str:
    """The calls of one part of an office: how they are written, then what needs to be said about them."""
    owner = dotted.rpartition(".")[2]
    written, said = [], []
    for item in methods_of(dotted):
        is_stream = not isinstance(item, ast.AsyncFunctionDef)
        written.append(_signature(item) if is_stream else _signature(item).removeprefix("await "))
        explained = inspect.cleandoc(ast.get_docstring(item) or "").replace("\n", " ")
        said.append(f"- `{item.name}`: {sentence_of(owner, item.name, explained)}\n")
    return "```python\n" + "\n".join(written) + "\n```\n\n" + "".join(said)


def function_text(dotted: str) -> str:
    module, _, name = dotted.rpartition(".")
    found = [item for item in module_of(module)[0].body if isinstance(item, ast.FunctionDef) and item.name == name]
    if not found:
        raise Undocumented(f"there is no function {dotted}")
    return _explained(found[0])


def _explained(item: ast.FunctionDef | ast.AsyncFunctionDef, overloads: Sequence[str] = ()) -> str:
    said = ast.get_docstring(item)
    if not said:
        raise Undocumented(f"{item.name} needs a docstring")
    written = "\n".join(overloads or [_signature(item)])
    return f"### {item.name}\n\n```python\n{written}\n```\n\n{said}\n"


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


MAKERS: dict[str, Callable[[str], str]] = {
    "arguments": arguments_table,
    "calls": calls_text,
    "commands": commands_table,
    "errors": errors_table,
    "exports": exports_table,
    "fields": fields_table,
    "function": function_text,
    "group": group_text,
    "members": members_table,
    "methods": methods_text,
    "options": options_text,
    "quirk-comments": quirk_comments_table,
    "quirks": quirks_table,
    "settings": settings_table,
    "shared": shared_text,
    **SERVICE_MAKERS,
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
