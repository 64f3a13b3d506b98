"""Whoever names no account sends by the one that the operator chose."""

import pytest

from mailwright.connector.calls import Submission
from mailwright.errors import InvalidInput, NotFound
from mailwright.model.access import Access, Action
from mailwright.model.message import Message
from tests.unit.connector.stored import everything, service_in, settings_for

HELLO = Message(to="ann@example.org", subject="Hello", text="Good morning")
NOBODY = 9  # the discard port: nothing is sent in these tests


@pytest.fixture
async def service(tmp_path):
    async with service_in(tmp_path, default_account="office") as running:
        await everything(running).accounts.create("office", settings_for(NOBODY))
        await everything(running).accounts.create("other", settings_for(NOBODY))
        yield running


async def test_what_names_no_account_is_sent_by_the_one_of_the_operator(service):
    messages = everything(service).messages
    assert (await messages.send("", HELLO)).account == "office"
    assert (await messages.send("other", HELLO)).account == "other"


async def test_so_is_a_bulk_call(service):
    messages = everything(service).messages
    (item,) = [item async for item in messages.send_many("", [Submission(HELLO)])]
    assert (await messages.get(item.message)).account == "office"


async def test_the_default_opens_no_account_that_a_token_may_not_use(service):
    limited = service.office(Access("test", actions=frozenset({Action.SEND}), accounts=frozenset({"other"})))
    with pytest.raises(NotFound):
        await limited.messages.send("", HELLO)


async def test_a_workspace_without_that_account_has_no_default(service):
    await everything(service).workspaces.create("shop")
    with pytest.raises(NotFound):
        await everything(service, "shop").messages.send("", HELLO)


async def test_without_a_default_an_account_has_to_be_named(tmp_path):
    async with service_in(tmp_path) as service:
        with pytest.raises(InvalidInput, match="no account is named") as caught:
            await everything(service).messages.send("", HELLO)
        assert caught.value.field == "account"
