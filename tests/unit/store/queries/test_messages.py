"""Messages in lists: what fits, in order, page by page, and along an index."""

import pytest
from sqlalchemy import text

from mailwright.errors import InvalidInput
from mailwright.model.outbox import MessageState, SendPriority, UncertainPolicy
from mailwright.reply import Phase, Reply
from mailwright.store.queries.messages import (
    MessageQuery,
    message_by_id,
    message_contents,
    message_page,
    messages_by_ids,
)
from mailwright.store.rows import json_text, moment_of
from mailwright.store.schema import Work
from tests.unit.store.queries.given import DAY_US, HOUR_US, NOW, NOW_US


def found(conn, workspace="default", **parts):
    return [item.id for item in message_page(conn, MessageQuery(workspace, **parts)).items]


def test_a_message_is_told_with_everything_that_is_known(conn, given):
    given.accounts("sales", "spare")
    reply = Reply(250, "2.0.0", "Ok: queued as 42", Phase.FINAL_DOT, ".")
    id_ = given.message(
        "bob@example.org",
        "Carol@Example.org",
        at=NOW_US,
        lane="acc_spare",
        due=NOW_US + HOUR_US,
        expires_at=NOW_US + DAY_US,
        priority=0,
        attempts=2,
        uncertain="resend",
        tags={"order": "7"},
        bulk="blk_1",
        idempotency_key="key",
        response=json_text(reply.to_json()),
    )
    message = message_by_id(conn, "default", id_)
    assert message is not None
    assert (message.account, message.sending_account) == ("sales", "spare")
    assert [recipient.address for recipient in message.recipients] == ["bob@example.org", "Carol@Example.org"]
    assert (message.priority, message.uncertain, message.attempts) == (SendPriority.HIGH, UncertainPolicy.RESEND, 2)
    assert (message.created_at, message.next_attempt_at) == (NOW, moment_of(NOW_US + HOUR_US))
    assert (message.expires_at, message.settled_at) == (moment_of(NOW_US + DAY_US), None)
    assert (message.tags, message.bulk, message.idempotency_key) == ({"order": "7"}, "blk_1", "key")
    assert message.response == reply


@pytest.mark.parametrize(
    ("state", "work", "seen", "waits"),
    [
        ("queued", Work.READY, MessageState.QUEUED, True),
        ("queued", Work.SCHEDULED, MessageState.QUEUED, True),
        ("queued", Work.LEASED, MessageState.SENDING, False),
        ("queued", Work.HELD, MessageState.QUEUED, False),
        ("sent", Work.DONE, MessageState.SENT, False),
        ("uncertain", Work.HELD, MessageState.UNCERTAIN, False),
    ],
)
def test_a_message_that_a_courier_holds_is_being_sent(conn, given, state, work, seen, waits):
    id_ = given.message(state=state, work=work)
    message = message_by_id(conn, "default", id_)
    assert message is not None
    assert message.state is seen
    assert (message.next_attempt_at is not None) is waits
    for other in MessageState:
        assert found(conn, states=[other]) == ([id_] if other is seen else [])


def test_an_account_that_is_gone_is_called_by_its_id(conn, given):
    id_ = given.message(account="acc_gone")
    message = message_by_id(conn, "default", id_)
    assert message is not None
    assert (message.account, message.sending_account) == ("acc_gone", "acc_gone")
    assert found(conn, account="acc_gone") == [id_]


def test_nobody_sees_a_message_of_another_workspace_or_of_an_account_that_is_not_theirs(conn, given):
    given.accounts("sales", "support")
    other = given.message("bob@example.org", workspace="other", account="acc_other")
    sales, support = given.message(account="acc_sales"), given.message(account="acc_support")
    gone = given.message(account="acc_gone")
    everything = [other, sales, support, gone]
    only_sales = frozenset({"sales", "other"})
    assert message_by_id(conn, "default", other) is None
    assert message_by_id(conn, "default", support, accounts=only_sales) is None
    assert [item.id for item in messages_by_ids(conn, "default", everything, accounts=only_sales)] == [sales]
    assert found(conn, accounts=only_sales) == [sales]
    assert found(conn, accounts=only_sales, account="support") == []
    assert found(conn, accounts=only_sales, account="acc_gone") == []
    assert found(conn, accounts=frozenset()) == []
    assert found(conn, recipient="bob@example.org") == [gone, support, sales]
    assert found(conn, accounts=only_sales, recipient="bob@example.org") == [sales]
    assert found(conn, accounts=only_sales, states=[MessageState.QUEUED]) == [sales]
    assert found(conn, workspace="other", message_id=f"{sales}@example.org") == []
    assert found(conn, workspace="other") == [other]


def test_each_part_of_the_filter_finds_what_it_names(conn, given):
    given.accounts("sales", "support")
    plain = given.message("bob@example.org")
    other = given.message(
        "Carol@Example.org", account="acc_support", subject="Rechnung 100% für_alle", bulk="blk_1", state="failed"
    )
    assert found(conn, account="support") == [other]
    assert found(conn, recipient="CAROL@example.ORG") == [other]
    assert found(conn, message_id=f"<{plain}@example.org>") == [plain]
    assert found(conn, bulk="blk_1") == [other]
    assert found(conn, states=[MessageState.FAILED]) == [other]
    assert found(conn, states=[MessageState.FAILED, MessageState.QUEUED, MessageState.FAILED]) == [other, plain]
    assert found(conn, states=[MessageState.FAILED], account="sales") == []
    assert found(conn, states=[MessageState.FAILED, MessageState.SENT], account="support") == [other]
    assert found(conn, recipient="carol@example.org", states=[MessageState.QUEUED]) == []
    assert found(conn) == [other, plain]


def test_words_of_the_subject_are_words_and_no_patterns(conn, given):
    special = given.message(subject="Discount of 100% on all_items \\o/")
    given.message(subject="Discount of 100 on all items")
    assert found(conn, subject="100%") == [special]
    assert found(conn, subject="all_items discount") == [special]
    assert found(conn, subject="\\o/") == [special]
    assert found(conn, subject="nothing discount") == []


@pytest.mark.parametrize("write", [json_text, lambda tags: json_text(tags).replace('":"', '": "')])
def test_a_tag_is_found_by_name_and_value_and_by_nothing_like_it(conn, given, write):
    tags = {"order": "7", "größe": "ö😀", "quote": '","order":"8', "back\\": "\\", "null": "a\0b"}
    id_ = given.message()
    conn.execute(text("UPDATE message SET tags = :tags"), {"tags": write(tags)})
    given.message(tags={"Order": "7", "order": "77"})
    for name, value in tags.items():
        assert found(conn, tags={name: value}) == [id_], name
    assert found(conn, tags={"order": "7", "größe": "ö😀"}) == [id_]
    assert found(conn, tags={"order": "8"}) == []
    assert found(conn, tags={"order": "7", "größe": "x"}) == []


def test_a_time_from_and_a_time_before_cut_exactly(conn, given):
    ids = [given.message(at=NOW_US + hour * HOUR_US) for hour in range(48)]
    moments = [moment_of(NOW_US + hour * HOUR_US) for hour in range(48)]
    assert found(conn, since=moments[45]) == ids[:44:-1]
    assert found(conn, until=moments[3]) == ids[2::-1]
    assert found(conn, since=moments[10], until=moments[12]) == [ids[11], ids[10]]
    assert found(conn, since=moments[47], until=moments[47]) == []
    assert found(conn, since=moment_of(0)) == ids[::-1]
    assert found(conn, since=moment_of(NOW_US + 9 * DAY_US)) == []
    assert found(conn, until=moment_of(0)) == []


def test_times_are_those_of_the_rows_whatever_the_clock_said_that_made_the_ids(conn, given):
    """A virtual clock may run years ahead of the one that ids are made by."""
    ids = [given.message(at=NOW_US + minute * 60_000_000) for minute in range(600)]
    conn.execute(text("UPDATE message SET created_at = created_at + :years"), {"years": 3000 * DAY_US})
    at = moment_of(NOW_US + 3000 * DAY_US + 300 * 60_000_000)
    page = message_page(conn, MessageQuery("default", since=at), limit=200, oldest_first=True)
    assert [item.id for item in page.items] == ids[300:500]


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"states": [MessageState.QUEUED, MessageState.FAILED, MessageState.SENDING]},
        {"recipient": "bob@example.org"},
        {"account": "sales"},
        {"accounts": frozenset({"sales", "support"})},
        {"accounts": frozenset({"sales", "support"} | {f"none{number}" for number in range(40)})},
        {"bulk": "blk_1"},
    ],
)
def test_pages_follow_each_other_without_gap_or_repetition(conn, given, parts, oldest_first):
    given.accounts("sales", "support", *(f"none{number}" for number in range(40)))
    rows = [
        given.message(
            account=("acc_sales", "acc_support", "acc_sales")[number % 3],
            state=("queued", "failed", "sent", "queued")[number % 4],
            work=(Work.READY, Work.DONE, Work.DONE, Work.LEASED)[number % 4],
            bulk="blk_1" if number % 2 else "",
        )
        for number in range(24)
    ]
    query = MessageQuery("default", **parts)
    whole = [item.id for item in message_page(conn, query, limit=200, oldest_first=oldest_first).items]
    assert whole
    assert whole == [id_ for id_ in (rows if oldest_first else rows[::-1]) if id_ in whole]
    seen, cursor = [], ""
    while True:
        page = message_page(conn, query, cursor=cursor, limit=5, oldest_first=oldest_first)
        assert 0 < len(page.items) <= 5
        seen += [item.id for item in page.items]
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == whole


def test_a_cursor_of_the_other_direction_is_refused(conn, given):
    for _ in range(3):
        given.message()
    cursor = message_page(conn, MessageQuery("default"), limit=1).next_cursor
    with pytest.raises(InvalidInput) as caught:
        message_page(conn, MessageQuery("default"), cursor=cursor, oldest_first=True)
    assert caught.value.field == "cursor"


def test_a_page_that_takes_the_last_message_has_no_cursor(conn, given):
    given.message()
    assert message_page(conn, MessageQuery("default"), limit=1).next_cursor == ""


def test_what_is_sent_is_read_for_many_messages_at_once(conn, given):
    ids = [given.message(), given.message(account="acc_support")]
    contents = message_contents(conn, [*ids, "msg_none"])
    assert set(contents) == set(ids)
    assert contents[ids[1]].account == "acc_support"
    assert contents[ids[0]].body_ref == f"ref of {ids[0]}"
