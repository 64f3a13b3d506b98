"""docs/checklist.md may promise nothing that no test or page shows."""

import ast
import hashlib
import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, table_rows

STATES = {"not yet", "partial", "done"}
IDS = [*map(str, range(1, 175)), *(f"B{n}" for n in range(1, 21)), *(f"X{n}" for n in range(1, 33))]
# The wording is agreed once. Whoever changes a line on purpose changes this with it.
WORDING = "9aeb235ad975fdd770f0c284e4b141138d529ee8d054f776abf6be4c789e8124"

_EVIDENCE = re.compile(r"`(?P<path>[\w./-]+\.(?:py|md))(?:::(?P<test>[\w:]+))?`")


def rows() -> list[list[str]]:
    return list(table_rows((DOCS / "checklist.md").read_text()))


def evidence(cell: str) -> list[tuple[str, str]]:
    return [(found["path"], found["test"] or "") for found in _EVIDENCE.finditer(cell)]


def find_test(tree: ast.Module, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The test `name` or `Class::name` of a module."""
    *classes, function = name.split("::")
    body = tree.body
    for wanted in classes:
        body = next((node.body for node in body if isinstance(node, ast.ClassDef) and node.name == wanted), [])
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
            return node
    return None


def skipped_always(test: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    marks = [node.func if isinstance(node, ast.Call) else node for node in test.decorator_list]
    if any(ast.unparse(mark) in {"pytest.mark.skip", "pytest.mark.xfail"} for mark in marks):
        return True
    calls = [node.value for node in test.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return any(ast.unparse(call.func) in {"pytest.skip", "pytest.xfail"} for call in calls)


def module_skipped(tree: ast.Module) -> bool:
    for node in tree.body:
        if isinstance(node, ast.Expr) and "pytest.skip" in ast.unparse(node):
            return True
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            return "pytest.mark.skip" in ast.unparse(node.value).replace("pytest.mark.skipif", "")
    return False


def problem(path: str, test: str) -> str:
    """What is wrong with a named piece of evidence; empty when it is there and runs."""
    file = ROOT / path
    if not file.is_file():
        return f"{path} does not exist"
    if path.endswith(".md"):
        return f"{path} is a page, and a page has no tests" if test else ""
    if not test:
        return f"{path}: name the test too"
    tree = ast.parse(file.read_text())
    found = find_test(tree, test)
    if found is None or not found.name.startswith("test_"):
        return f"{path}::{test} does not exist"
    return f"{path}::{test} is skipped" if skipped_always(found) or module_skipped(tree) else ""


def test_every_line_of_the_checklist_stands_there_once_and_in_order() -> None:
    assert [row[0] for row in rows()] == IDS


def test_every_row_has_its_four_cells_and_a_wording() -> None:
    assert [row[0] for row in rows() if len(row) != 4 or not row[2]] == []


def test_no_wording_stands_there_twice() -> None:
    wordings = [row[2] for row in rows()]
    assert len(set(wordings)) == len(wordings)


def test_the_wording_of_the_lines_is_the_agreed_one() -> None:
    lines = "\n".join(f"{row[0]} {row[2]}" for row in rows())
    assert hashlib.sha256(lines.encode()).hexdigest() == WORDING


def test_every_state_is_a_known_one() -> None:
    assert {row[0]: row[1] for row in rows() if row[1] not in STATES} == {}


def test_what_is_done_or_partial_names_its_evidence_and_what_is_not_yet_names_none() -> None:
    assert [row[0] for row in rows() if bool(evidence(row[3])) == (row[1] == "not yet")] == []


def test_a_partial_line_says_what_is_missing() -> None:
    assert [row[0] for row in rows() if row[1] == "partial" and not re.search(r"Missing: \w", row[3])] == []


def test_every_named_test_and_page_exists_and_is_not_skipped() -> None:
    found = {row[0]: [problem(*item) for item in evidence(row[3])] for row in rows()}
    assert {line: [text for text in texts if text] for line, texts in found.items() if any(texts)} == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def test_a() -> None: ...", ""),
        ("async def test_a() -> None: ...", ""),
        ("class TestX:\n    def test_a(self) -> None: ...", "does not exist"),
        ("@pytest.mark.skip\ndef test_a() -> None: ...", "is skipped"),
        ("@pytest.mark.skip(reason='later')\ndef test_a() -> None: ...", "is skipped"),
        ("@pytest.mark.xfail\ndef test_a() -> None: ...", "is skipped"),
        ("@pytest.mark.skipif(True, reason='no server')\ndef test_a() -> None: ...", ""),
        ("def test_a() -> None:\n    pytest.skip('later')", "is skipped"),
        ("pytestmark = pytest.mark.skip\ndef test_a() -> None: ...", "is skipped"),
        ("pytestmark = pytest.mark.real\ndef test_a() -> None: ...", ""),
        ("pytest.skip('later', allow_module_level=True)\ndef test_a() -> None: ...", "is skipped"),
        ("def helper() -> None: ...", "does not exist"),
    ],
)
def test_evidence_that_is_missing_or_skipped_is_found_out(
    source: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.docs.test_checklist.ROOT", tmp_path)
    (tmp_path / "test_file.py").write_text(source)
    found = problem("test_file.py", "test_a")
    assert expected in found
    assert bool(found) == bool(expected)


def test_a_test_in_a_class_is_found_by_class_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.docs.test_checklist.ROOT", tmp_path)
    (tmp_path / "test_file.py").write_text("class TestX:\n    def test_a(self) -> None: ...")
    assert problem("test_file.py", "TestX::test_a") == ""
    assert problem("test_file.py", "TestX::test_b") == "test_file.py::TestX::test_b does not exist"
