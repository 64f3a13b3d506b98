"""docs/standards.md says where we stand with every standard that the code appeals to."""

import re

from tests.docs.pages import DOCS, ROOT, table_rows

STATUS = re.compile(r"(?:yes|partial|no|later)(?:: .+)?\Z")
PACKAGE = ROOT / "src" / "mailwright"

_CITED = re.compile(r"\bRFC (\d{3,5})")


def rows() -> list[list[str]]:
    return list(table_rows((DOCS / "standards.md").read_text()))


def cited() -> dict[str, str]:
    """Each RFC that the source names, with one file that does."""
    found: dict[str, str] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        for number in _CITED.findall(file.read_text()):
            found.setdefault(number, file.relative_to(PACKAGE).as_posix())
    return found


def modules(cell: str) -> list[str]:
    return re.findall(r"`([\w.]+)`", cell)


def exists(module: str) -> bool:
    path = PACKAGE.joinpath(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def cites(module: str, number: str) -> bool:
    path = PACKAGE.joinpath(*module.split("."))
    files = path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    return any(number in _CITED.findall(file.read_text()) for file in files)


def test_every_standard_that_the_code_cites_has_a_row() -> None:
    listed = {row[0] for row in rows()}
    assert {number: file for number, file in cited().items() if number not in listed} == {}


def test_standards_are_sorted_and_stand_there_once() -> None:
    numbers = [int(row[0]) for row in rows()]
    assert numbers == sorted(set(numbers))


def test_every_status_is_a_known_one_and_less_than_yes_is_explained() -> None:
    wrong = [row[0] for row in rows() if not STATUS.match(row[2]) or (row[2] in {"partial", "no", "later"})]
    assert wrong == []


def test_every_module_named_exists() -> None:
    assert {row[0]: row[3] for row in rows() if not all(map(exists, modules(row[3])))} == {}


def test_what_is_followed_names_a_module_that_cites_it() -> None:
    followed = [row for row in rows() if row[2].startswith(("yes", "partial")) and row[3]]
    assert len(followed) > 40
    assert [row[0] for row in followed if not any(cites(module, row[0]) for module in modules(row[3]))] == []
