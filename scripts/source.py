"""Reading the source of Mailwright for its documentation, and writing Markdown tables."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "mailwright"
#: what a code host shows of a code block without a scroll bar
WIDTH = 100

# Fields whose name says all that their class needs to know; readers want to know a little more.
SENTENCES: dict[str, dict[str, str]] = tomllib.loads((ROOT / "scripts" / "sentences.toml").read_text())


class Undocumented(Exception):
    """Something public has no sentence."""


@dataclass(frozen=True)
class Part:
    """A field, argument, property or member of a class, as its source says it."""

    name: str
    type: str
    default: str
    sentence: str


@cache
def module_of(dotted: str) -> tuple[ast.Module, list[str]]:
    path = SOURCE.parent / Path(*dotted.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = file.read_text()
    return ast.parse(text), text.splitlines()


def class_of(dotted: str) -> tuple[ast.ClassDef, list[str]]:
    module, _, name = dotted.rpartition(".")
    tree, lines = module_of(module)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node, lines
    raise Undocumented(f"there is no class {dotted}")


def comment_above(node: ast.stmt, lines: list[str]) -> str:
    """The `#:` lines right above a field."""
    found: list[str] = []
    index = node.lineno - 2
    while index >= 0 and lines[index].strip().startswith("#:"):
        found.insert(0, lines[index].strip().removeprefix("#:").strip())
        index -= 1
    # Numbers of the checklist are for developers.
    return re.sub(r" \(checklist [\d, to]+\)", "", " ".join(found))


def sentence_of(owner: str, name: str, found: str) -> str:
    ours = SENTENCES.get(owner, {}).get(name, "")
    if found and ours:
        raise Undocumented(f"{owner}.{name} explains itself: take it out of scripts/sentences.toml")
    if not found and not ours:
        raise Undocumented(f"{owner}.{name}: write a #: comment above it, or a sentence in scripts/sentences.toml")
    return found or ours


def fields_of(dotted: str) -> list[Part]:
    node, lines = class_of(dotted)
    return [
        Part(
            item.target.id,
            ast.unparse(item.annotation),
            ast.unparse(item.value) if item.value else "",
            comment_above(item, lines),
        )
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and not item.target.id.startswith("_")
    ]


def methods_of(dotted: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    node, _ = class_of(dotted)
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            yield item


def arguments_of(dotted: str) -> list[Part]:
    """The arguments of a constructor, explained by the fields of the same name."""
    init = next((item for item in methods_of(dotted) if item.name == "__init__"), None)
    if init is None:
        return fields_of(dotted)
    explained = {part.name: part.sentence for part in fields_of(dotted)}
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


def first_line(node: ast.AST) -> str:
    return (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")  # type: ignore[arg-type]


# --- writing Markdown ---------------------------------------------------------------------------------------------


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines).replace("|  |", "| |").replace("|  |", "| |")
