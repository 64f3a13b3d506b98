"""What the metrics page counts, and which bodies are still pointed at."""

from mailwright.store.queries.bodies import live_bodies, move_bodies
from mailwright.store.queries.messages import message_contents
from mailwright.store.queries.metrics import (
    LaneDepth,
    OpenTasks,
    Scheduled,
    messages_by_state,
    open_tasks,
    queue_depths,
    scheduled_messages,
)
from mailwright.store.schema import Work
from tests.unit.store.queries.given import DAY_US, HOUR_US, NOW_US


def test_messages_are_counted_by_workspace_and_state(conn, given):
    assert messages_by_state(conn) == {}
    for workspace in ("default", "default", "other"):
        given.sent(workspace=workspace)
    given.message(work=Work.LEASED)
    assert messages_by_state(conn) == {("default", "sent"): 2, ("default", "queued"): 1, ("other", "sent"): 1}


def test_a_lane_says_how_many_wait_and_since_when(conn, given):
    given.message(account="acc_a", due=NOW_US + HOUR_US)
    given.message(account="acc_a", due=NOW_US)
    given.message(account="acc_a", work=Work.LEASED)
    given.message(account="acc_b", work=Work.LEASED)
    given.message(account="acc_c", work=Work.SCHEDULED, due=NOW_US + DAY_US)
    given.sent(account="acc_c")
    assert queue_depths(conn) == {"acc_a": LaneDepth(2, NOW_US, 1), "acc_b": LaneDepth(0, 0, 1)}
    assert scheduled_messages(conn) == Scheduled(1, NOW_US + DAY_US)


def test_nothing_scheduled_is_zero(conn):
    assert scheduled_messages(conn) == Scheduled(0, 0)


def test_tasks_that_are_settled_are_not_counted(conn, given):
    given.task(kind="webhook", due=NOW_US + 5)
    given.task(kind="webhook", work=Work.SCHEDULED, due=NOW_US)
    given.task(kind="sweep", work=Work.LEASED, due=7)
    given.task(kind="webhook", work=Work.DONE)
    assert open_tasks(conn) == {"webhook": OpenTasks(2, NOW_US), "sweep": OpenTasks(1, 7)}


def test_a_body_is_live_only_where_a_row_points_at_it(conn, given):
    ids = [given.message() for _ in range(3)]
    asked = [(id_, f"ref of {id_}") for id_ in ids]
    stale = [(ids[0], "an older place"), ("msg_gone", "ref of msg_gone")]
    assert live_bodies(conn, asked + stale + [("msg_many", str(number)) for number in range(1000)]) == {
        ref for _, ref in asked
    }
    assert live_bodies(conn, []) == set()


def test_only_a_row_that_still_has_the_old_ref_is_moved(conn, given):
    ids = [given.message() for _ in range(2)]
    moves = [(ids[0], f"ref of {ids[0]}", "new"), (ids[1], "another", "wrong")]
    assert move_bodies(conn, [moves[:1], moves[1:], []]) == [None] * 3
    contents = message_contents(conn, ids)
    assert [contents[id_].body_ref for id_ in ids] == ["new", f"ref of {ids[1]}"]
