"""The client, its form without async, and the embedded Mailwright have the same calls with the same parameters."""

import inspect
import typing

import pytest

from mailwright.client import MailwrightClient, SyncMailwrightClient
from mailwright.client.client import RemoteOffice
from mailwright.client.http import Http
from mailwright.connector import calls
from mailwright.connector.loop_thread import LoopThread
from mailwright.connector.sync_parts import SyncOffice

PARTS = {
    name: typing.get_type_hints(value.fget)["return"]
    for name, value in vars(calls.Office).items()
    if isinstance(value, property)
}


def public(kind: type) -> dict[str, inspect.Signature]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: inspect.signature(call, eval_str=True) for name, call in found if not name.startswith("_")}


@pytest.fixture
async def remote():
    http = Http("http://127.0.0.1:1", "mw_x")
    yield RemoteOffice(http)
    await http.close()


def test_there_are_as_many_parts_as_the_office_has():
    assert set(PARTS) == {"accounts", "messages", "events", "webhooks", "suppressions", "workspaces", "tokens", "audit"}


@pytest.mark.parametrize("part", PARTS)
async def test_every_call_of_the_office_is_one_of_the_client(remote, part):
    wanted = public(PARTS[part])
    assert public(type(getattr(remote, part))) == wanted
    assert len(wanted) > 1


@pytest.mark.parametrize("part", PARTS)
async def test_every_call_is_there_without_async_and_blocks(remote, part):
    thread = LoopThread()
    try:
        blocking = type(getattr(SyncOffice(remote, thread), part))
    finally:
        thread.close(nothing())
    found = public(blocking)
    assert found == public(PARTS[part])
    assert not any(
        inspect.iscoroutinefunction(getattr(blocking, name, None)) for name in found if name != "__wrapped__"
    )


async def nothing() -> None:
    pass


def test_the_two_clients_have_the_same_calls_of_their_own():
    plain, blocking = public(MailwrightClient), public(SyncMailwrightClient)
    del plain["sync"]
    assert set(plain) == set(blocking) == {"send", "workspace", "close"}
    assert plain["send"] == blocking["send"]
    made = public(MailwrightClient)["sync"].parameters
    assert list(made) == list(inspect.signature(MailwrightClient.__init__).parameters)[1:]
