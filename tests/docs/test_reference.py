"""What the reference says is what the code says; what is public and not explained fails here."""

import json
import re
import secrets
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

import mailwright
from mailwright.api.app import make_app
from mailwright.api.problems import REFUSALS, status_of
from mailwright.api.route import Open, Route
from mailwright.cli.exit_codes import ExitCode
from mailwright.devserver import DevServer
from mailwright.model.access import Action
from mailwright.model.bulk import BulkState
from mailwright.model.event import EventType
from mailwright.model.outbox import DEFAULT_RETRY_SECONDS, MessageState, RecipientState
from mailwright.model.webhook import WebhookState
from mailwright.transport.dial_ranges import METADATA_NAMES, SPECIAL_RANGES
from scripts import commands, docs, service, source
from tests.docs.pages import DOCS, anchors, name_of, pages, table_rows
from tests.docs.service import ACCOUNT, Running, service_running
from tests.edges.memory_desk import MemoryDesk

REFERENCE = DOCS / "reference"


def generated_parts() -> list[tuple[str, str]]:
    found = re.findall(r"<!-- generated: ([a-z0-9-]+)(?: ([^>]+?))? -->", "".join(page.read_text() for page in pages()))
    return [(name, argument) for name, argument in found]


def test_the_generated_parts_are_what_the_code_gives_now() -> None:
    stale = [name_of(page) for page in pages() if docs.regenerated(page.read_text()) != page.read_text()]
    assert stale == [], "run ./run docs"


def test_every_generator_is_used_and_every_generated_part_is_closed() -> None:
    parts = generated_parts()
    assert {name for name, _ in parts} == set(docs.MAKERS)
    assert len(parts) == sum(page.read_text().count("<!-- end -->") for page in pages())


def test_every_sentence_for_readers_is_used() -> None:
    shown = "".join(page.read_text() for page in pages())
    unused = [
        f"{owner}.{name}"
        for owner, sentences in source.SENTENCES.items()
        for name, sentence in sentences.items()
        if f"| {sentence} |" not in shown and f": {sentence}\n" not in shown
    ]
    assert unused == []


def test_every_public_name_of_the_library_is_in_the_reference() -> None:
    shown = (REFERENCE / "library.md").read_text() + (REFERENCE / "errors.md").read_text()
    assert [name for name in mailwright.__all__ if f"| `{name}` |" not in shown] == []


def test_every_command_of_the_command_line_is_in_the_reference() -> None:
    parts = generated_parts()
    alone = {argument for name, argument in parts if name == "options"}
    in_groups = {argument for name, argument in parts if name == "group"}
    assert in_groups == set(commands.groups())
    assert alone == {name for name in commands.commands() if " " not in name}


def test_every_option_is_in_the_reference() -> None:
    shown = (REFERENCE / "command-line.md").read_text()
    options = [option.opts[0] for command in commands.commands().values() for option in command.params]
    assert len(options) > 300
    assert [option for option in options if f"| `{option}`" not in shown] == []


def test_every_group_and_every_command_of_it_has_its_heading() -> None:
    found = anchors((REFERENCE / "command-line.md").read_text())
    assert [name for name in commands.commands() if commands.anchor_of(name) not in found] == []


def test_every_exit_code_is_in_the_reference() -> None:
    shown = (REFERENCE / "exit-codes.md").read_text()
    assert [code for code in ExitCode if f"| `{code.value}` |" not in shown] == []


def test_every_setting_is_in_the_reference_with_its_environment_name() -> None:
    shown = (REFERENCE / "settings.md").read_text()
    names = [f"| `{name}` | `MAILWRIGHT_{name.upper()}` |" for name in mailwright.Settings.model_fields]
    assert [name for name in names if name not in shown] == []


def test_every_setting_but_the_keys_has_its_option_in_the_reference() -> None:
    shown = (REFERENCE / "settings.md").read_text()
    options = {name: f"`--{name.replace('_', '-')}`" for name in mailwright.Settings.model_fields}
    assert {name for name, option in options.items() if f"| {option} |" not in shown} == {"keys"}


def test_every_route_is_in_the_reference_with_its_scopes() -> None:
    shown = (REFERENCE / "http.md").read_text()
    assert {service.noun_of(route) for route in service.routes()} == {
        argument for name, argument in generated_parts() if name == "routes-in-full"
    }
    declared = make_app(MemoryDesk()).declared
    assert {route.name for route in declared} - {route.name for route in service.routes()} == {
        "GET /reference/reference.js",
        "GET /reference/reference.css",
    }
    for route in service.routes():
        part = shown.partition(f"### {route.name}\n")[2].partition("\n### ")[0]
        scopes = ["public"] if isinstance(route.needs, Open) else [f"`{action}`" for action in route.needs]
        assert all(scope in part.partition("- Scope: ")[2].partition("\n")[0] for scope in scopes), route.name


def test_every_object_of_the_http_api_is_in_the_reference_with_its_fields() -> None:
    shown = (REFERENCE / "http-shapes.md").read_text()
    schemas = service.described()["components"]["schemas"]
    assert len(schemas) > 50
    for name, schema in schemas.items():
        if "items" in schema.get("properties", {}):
            continue  # a page: told where it is answered
        part = shown.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert part, name
        assert [field for field in schema.get("properties", {}) if f"| `{field}` |" not in part] == [], name


def test_every_event_type_scope_and_state_is_in_the_reference() -> None:
    for page, kind in (
        ("events.md", EventType),
        ("events.md", WebhookState),
        ("access.md", Action),
        ("outbox.md", MessageState),
        ("outbox.md", RecipientState),
        ("outbox.md", BulkState),
    ):
        shown = (REFERENCE / page).read_text()
        assert [value for value in kind if f"| `{value}` | " not in shown] == []


def test_every_state_of_a_message_has_a_way_in_and_every_end_is_drawn() -> None:
    drawing = (REFERENCE / "outbox.md").read_text().partition("stateDiagram")[2].partition("```")[0]
    ways = re.findall(r"^    (\S+) --> (\w+):", drawing, flags=re.MULTILINE)
    assert {end for _, end in ways} == set(MessageState)
    assert {start for start, _ in ways} <= {*MessageState, "[*]"}


def test_every_error_has_its_http_status_in_the_reference() -> None:
    shown = (REFERENCE / "errors.md").read_text()
    for kind in docs.error_classes():
        row = next(line for line in shown.splitlines() if line.startswith(f"| `{kind.code}` | `{kind.__name__}`"))
        assert f"| `{status_of(kind.__new__(kind))}` |" in row
    assert [code for code in REFUSALS if f"| `{code}` |" not in shown] == []


def test_every_refused_network_and_name_is_in_the_reference() -> None:
    shown = (REFERENCE / "settings.md").read_text()
    assert [
        entry for entry in SPECIAL_RANGES if f"| `{entry.network}` | {entry.reach} | {entry.why} |" not in shown
    ] == []
    assert [name for name in METADATA_NAMES if f"`{name}`" not in shown] == []


@pytest.mark.parametrize(
    ("waits", "last"),
    [(DEFAULT_RETRY_SECONDS, "3 days 20 hours 16 minutes"), ([60], "1 minute"), ([1, 1, 1], "3 seconds")],
)
def test_a_schedule_ends_with_its_total(waits: list[int], last: str) -> None:
    rows = list(table_rows(service._schedule(waits)))
    assert rows[0] == ["1", "at once", "0"]
    assert rows[-1][0].rpartition(" ")[2] == str(len(waits) + 1)
    assert rows[-1][2] == last


async def test_every_example_of_a_route_is_answered_as_the_reference_says(tmp_path: Path) -> None:
    async with (
        DevServer() as server,
        service_running(tmp_path, server.port) as running,
        httpx2.AsyncClient(base_url=running.url, timeout=30) as client,
    ):
        for route in service.routes():
            if route.path != "/v1/events/stream":
                answer = await _example(client, running, route)
                assert answer.status_code in route.answers, f"{route.name}: {answer.text}"


async def _example(client: httpx2.AsyncClient, running: Running, route: Route) -> httpx2.Response:
    """The example with things of its own, so that no example stands in the way of another."""
    headers = {"authorization": f"Bearer {running.token}"}
    made = await _made_for(client, headers, route)
    example = service.example_of(route)
    body = re.search(r"--data-binary '(.*?)'", example, flags=re.DOTALL)
    kind = re.search(r"Content-Type: ([\w/]+)", example)
    url = re.findall(r'"\$MAILWRIGHT_URL([^"]*)"', example)[0].replace("ID", made).replace("/office", f"/{made}")
    if kind:
        headers["content-type"] = kind[1]
    content = body[1].replace('"ID"', f'"{made}"') if body else None
    return await client.request(route.method, url, headers=headers, content=content)


async def _made_for(client: httpx2.AsyncClient, headers: dict[str, str], route: Route) -> str:
    """The id or name of something new of the kind that the route is about."""
    noun, token = service.noun_of(route), secrets.token_hex(4)
    if noun == "messages":
        # Only an uncertain one can be released, and only a failed one tried again.
        to = "final_dot-disconnect" if "release" in route.path else "rcpt-550" if "retry" in route.path else "ann"
        message = {"account": ACCOUNT, "message": {"to": f"{to}@example.org", "text": "Hello"}}
        if "cancel" in route.path:
            message["options"] = {"send_at": "2090-01-01T00:00:00Z"}
        made = await client.post("/v1/messages", headers=headers, json=message)
        await client.get(
            f"/v1/messages/{made.json()['id']}?wait={0 if 'cancel' in route.path else 30}", headers=headers
        )
        return str(made.json()["id"])
    if noun == "bulk":
        line = json.dumps({"message": {"to": "ann@example.org", "text": "Hello"}})
        kind = {**headers, "content-type": "application/jsonl"}
        made = await client.post(f"/v1/bulk?account={ACCOUNT}", headers=kind, content=line)
        return str(made.json()["job"])
    if noun == "accounts":
        account = {"address": "me@example.org", "outgoing": {"host": "127.0.0.1", "port": 1, "security": "none"}}
        made = await client.post("/v1/accounts", headers=headers, json={"name": token, "account": account})
        return token
    if noun == "webhooks":
        made = await client.post("/v1/webhooks", headers=headers, json={"url": "http://127.0.0.1:1/mail"})
        return str(made.json()["webhook"]["id"])
    if noun == "workspaces":
        if route.parameters:
            await client.post("/v1/workspaces", headers=headers, json={"name": token})
        return token
    if noun == "tokens":
        made = await client.post("/v1/tokens", headers=headers, json={"name": token, "actions": ["send"]})
        return str(made.json()["token"]["id"])
    return ""


def test_importing_mailwright_loads_neither_a_database_nor_the_web() -> None:
    heavy = ("sqlalchemy", "litestar", "httpx2", "alembic", "uvicorn", "jinja2", "rich")
    code = f"import sys, mailwright; sys.exit(bool([name for name in {heavy} if name in sys.modules]))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert mailwright.MailwrightClient.__name__ == "MailwrightClient"
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = mailwright.nothing_of_the_kind


def test_every_error_can_be_imported_from_the_library_and_has_its_own_code() -> None:
    kinds = docs.error_classes()
    assert [kind.__name__ for kind in kinds if kind.__name__ not in mailwright.__all__] == []
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_a_public_field_without_a_sentence_fails() -> None:
    with pytest.raises(source.Undocumented, match=r"Reply\.nothing: write a #: comment"):
        source.sentence_of("Reply", "nothing", "")


def test_a_sentence_that_the_code_has_itself_fails() -> None:
    with pytest.raises(source.Undocumented, match=r"Reply\.code explains itself"):
        source.sentence_of("Reply", "code", "the three digits")


def test_only_the_generated_parts_of_a_page_are_touched() -> None:
    page = "before\n<!-- generated: quirks -->\nold\n<!-- end -->\nafter | `x` |\n"
    made = docs.regenerated(page)
    assert made.startswith("before\n<!-- generated: quirks -->\n\n| quirk |")
    assert made.endswith("|\n\n<!-- end -->\nafter | `x` |\n")
    assert "old" not in made
    assert docs.regenerated(made) == made
