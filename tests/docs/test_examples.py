"""Every example of the documentation runs, against a real server, and prints what the page says it prints."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.docs.pages import DOCS, ROOT, Block, blocks, name_of, pages
from tests.docs.stage import DEV_PORT, SERVICE_PORT, Stage, stage
from tests.harness import Postgres

#: pages that show how something is done; on the others, Python only shows signatures
GUIDES = [ROOT / "README.md", DOCS / "quickstart.md", *sorted((DOCS / "how-to").glob("*.md"))]
BLOCKS = [block for page in pages() for block in blocks(page)]
LANGUAGES = {"python", "console", "sh", "text", "json", "mermaid"}


def runs(language: str) -> list[Block]:
    found = [block for block in BLOCKS if block.language == language and not block.values("not run")]
    found = [block for block in found if not block.values("postgres")]
    return [block for block in found if language == "console" or block.page in GUIDES]


def expected_output(block: Block) -> str:
    """The text block behind an example that is marked as its output."""
    following = [other for other in BLOCKS if other.page == block.page and other.line > block.line]
    return following[0].text if following and following[0].values("output") else ""


def missing_lines(expected: str, printed: str) -> list[str]:
    """The expected lines that were not printed, in their order; `…` stands for anything."""
    lines = iter(printed.splitlines())
    missing = []
    for wanted in filter(str.strip, expected.splitlines()):
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.strip().split("…")))
        if not any(pattern.search(line) for line in lines):
            missing.append(wanted)
            lines = iter(())
    return missing


def commands(text: str) -> list[tuple[str, str]]:
    """(command, expected output) of a console block; a line that ends with a backslash or inside of quotes goes on."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = next(index for index in range(1, len(lines) + 1) if _is_whole("\n".join(lines[:index])))
        found.append(("\n".join(lines[:length]), "\n".join(lines[length:])))
    return found


def _is_whole(command: str) -> bool:
    return not command.endswith("\\") and command.count("'") % 2 == 0


def prepare(block: Block, folder: Path, on_stage: Stage) -> None:
    for name in block.values("file"):
        (folder / name).write_text("An example.\n")
    (folder / "development-ca.pem").write_text(on_stage.server.ca_pem)
    if block.values("service"):
        on_stage.start_service()
    if block.values("store"):
        on_stage.make_store()


def said_by(command: str, on_stage: Stage) -> CompletedProcess[str]:
    if command.startswith("mailwright dev"):
        # A port of its own: the stage has a server on the usual one already.
        return on_stage.run_until_interrupted(f"{command} --port 0", ready="127.0.0.1")
    if command.startswith("mailwright serve"):
        return on_stage.run_until_interrupted(f"{on_stage.on_stage(command)} --port 0", ready="listens at")
    return on_stage.run_shell(command)


def expected_of(command: str, expected: str, on_stage: Stage) -> str:
    if command.startswith("mailwright dev"):
        return expected.replace(DEV_PORT, "…")
    if command.startswith("mailwright serve"):
        return expected.replace(SERVICE_PORT, "…")
    return on_stage.on_stage(expected)


def check_python(block: Block, on_stage: Stage) -> None:
    printed = on_stage.run_python(block.text)
    assert missing_lines(expected_output(block), printed) == [], printed
    if ".send(" in block.text:
        assert bool(on_stage.caught) != bool(block.values("nothing arrives"))
    assert all(caught.tls for caught in on_stage.caught) or not block.values("tls")
    assert bool(on_stage.proxied) == bool(block.values("proxy"))


def check_console(block: Block, on_stage: Stage) -> None:
    expected_code = int((block.values("exit code") or ["0"])[0])
    for command, expected in commands(block.text):
        if command.startswith("./run "):
            # This test is a part of what it runs; that the command exists is checked below for every page.
            continue
        run = said_by(command, on_stage)
        wanted = expected_of(command, expected, on_stage)
        printed = run.stdout + run.stderr
        assert run.returncode == expected_code, printed
        assert missing_lines(wanted, printed) == [], printed


@pytest.mark.parametrize("block", runs("python"), ids=str)
def test_the_python_example_runs_and_prints_what_it_says(block: Block, tmp_path: Path) -> None:
    with stage(tmp_path) as on_stage:
        prepare(block, tmp_path, on_stage)
        check_python(block, on_stage)


@pytest.mark.parametrize("block", runs("console"), ids=str)
def test_the_commands_run_and_print_what_they_say(block: Block, tmp_path: Path) -> None:
    with stage(tmp_path) as on_stage:
        prepare(block, tmp_path, on_stage)
        check_console(block, on_stage)


@pytest.mark.real
@pytest.mark.parametrize("block", [block for block in BLOCKS if block.values("postgres")], ids=str)
def test_the_example_over_postgresql_runs(block: Block, tmp_path: Path, postgres: Postgres) -> None:
    with stage(tmp_path) as on_stage:
        on_stage.postgres_url = postgres.fresh_database()
        prepare(block, tmp_path, on_stage)
        (check_python if block.language == "python" else check_console)(block, on_stage)


def test_every_page_for_users_has_an_example_that_runs() -> None:
    over_postgres = [block for block in BLOCKS if block.values("postgres")]
    shown = {name_of(block.page) for block in [*runs("python"), *runs("console"), *over_postgres]}
    assert {name_of(page) for page in GUIDES} - shown == set()


def test_every_run_command_that_a_page_names_exists() -> None:
    known = set(re.findall(r"^\./run (\w+)", (ROOT / "run").read_text(), flags=re.MULTILINE))
    named = {name: name_of(page) for page in pages() for name in re.findall(r"\./run ([a-z]+)", page.read_text())}
    assert {"demo", "test", "bench"} <= set(named)
    assert {name: page for name, page in named.items() if name not in known} == {}


def test_every_benchmark_that_a_page_names_exists() -> None:
    named = {name for page in pages() for name in re.findall(r"\./run bench ([a-z]+)", page.read_text())}
    assert named
    assert {name for name in named if not (ROOT / "benchmarks" / name / "run.py").is_file()} == set()


def test_every_block_has_a_language_that_says_what_it_is() -> None:
    assert [str(block) for block in BLOCKS if block.language not in LANGUAGES] == []


def test_a_block_that_is_not_run_says_why() -> None:
    silent = [str(block) for block in BLOCKS if any(len(reason) < 10 for reason in block.values("not run"))]
    assert silent == []


def test_what_is_marked_as_output_follows_an_example() -> None:
    marked = [block for block in BLOCKS if block.values("output")]
    before = {(block.page, block.line): BLOCKS[index - 1] for index, block in enumerate(BLOCKS)}
    orphans = [str(block) for block in marked if before[block.page, block.line].language not in {"python", "console"}]
    assert orphans == []


@pytest.mark.parametrize(
    ("expected", "printed", "missing"),
    [
        ("a\nb", "a\nx\nb\n", []),
        ("b\na", "a\nb\n", ["a"]),
        ("250 … queued", "it says 250 2.0.0 ok queued as 4711", []),
        ("250 … queued", "250 2.0.0 ok", ["250 … queued"]),
        ("a.c", "abc", ["a.c"]),
        ("", "anything", []),
    ],
)
def test_output_is_compared_line_by_line_and_in_order(expected: str, printed: str, missing: list[str]) -> None:
    assert missing_lines(expected, printed) == missing


def test_a_command_may_go_on_over_several_lines() -> None:
    text = "$ one \\\n    --more\nprinted\n$ two '{\n  a\n}'\nit's\n"
    assert commands(text) == [("one \\\n    --more", "printed"), ("two '{\n  a\n}'", "it's")]


def test_the_json_result_of_the_reference_has_the_keys_of_a_real_one(tmp_path: Path) -> None:
    shown = next(block for block in BLOCKS if block.language == "json" and name_of(block.page).endswith("results.md"))
    with stage(tmp_path) as on_stage:
        run = on_stage.run_shell(
            "mailwright send --json --on-partial report --server 127.0.0.1:1025 --security none --from ann@example.org"
            " --to bob@example.org --to rcpt-550@example.org --text Hello"
        )
    result = json.loads(run.stdout)
    assert re.findall(r'^  "(\w+)"', shown.text, flags=re.MULTILINE) == list(result)
    assert result["rejected_errors"]["rcpt-550@example.org"]["code"] == 550
    assert result["envelope"] == {"from": "ann@example.org", "to": ["bob@example.org", "rcpt-550@example.org"]}
    assert set(result["timings"]) == {"queue", "envelope", "message"}
