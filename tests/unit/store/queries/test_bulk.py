"""How far a bulk job is."""

from sqlalchemy import insert

from mailwright.model.bulk import BulkItem, BulkJob, BulkState
from mailwright.store.queries.bulk import bulk_error_page, bulk_job, bulk_job_page, unfinished_jobs
from mailwright.store.rows import bulk_error_row, bulk_row
from mailwright.store.schema import Work, bulk, bulk_error
from tests.unit.store.queries.given import NOW
from tests.unit.store.queries.test_lists import walked


def a_job(number, **changes):
    values = {"state": BulkState.RUNNING, "total": 9, "accepted": 0, "refused": 0, "ended": {}}
    values |= {"workspace": "default", "account": "acc_sales", "created_at": NOW}
    return BulkJob(f"blk_{number}", **(values | changes))


def store(conn, *jobs):
    conn.execute(insert(bulk), [bulk_row(job) for job in jobs])


def test_what_a_running_job_has_is_counted_now(conn, given):
    store(conn, a_job(1), a_job(2))
    for _ in range(3):
        given.sent(bulk="blk_1")
    given.message(bulk="blk_1", state="failed", work=Work.DONE)
    given.message(bulk="blk_1")
    given.message(bulk="blk_1", work=Work.LEASED)
    given.sent(bulk="blk_2")
    given.sent()
    errors = [(2, "invalid_address", "no", "to"), (7, "no_recipients", "none", "")]
    conn.execute(insert(bulk_error), [bulk_error_row("blk_1", error) for error in errors])
    job = bulk_job(conn, "default", "blk_1")
    assert job == a_job(1, accepted=6, refused=2, ended={"sent": 3, "failed": 1})
    assert unfinished_jobs(conn) == [job, a_job(2, accepted=1, ended={"sent": 1})]


def test_a_finished_job_is_told_as_it_was_written(conn, given):
    finished = a_job(1, state=BulkState.FINISHED, accepted=5, refused=4, ended={"sent": 5})
    store(conn, finished)
    given.message(bulk="blk_1", state="failed", work=Work.DONE)
    assert bulk_job(conn, "default", "blk_1") == finished
    assert unfinished_jobs(conn) == []


def test_an_accepted_item_without_a_message_of_its_own_still_counts(conn, given):
    store(conn, a_job(1, accepted=2))
    given.sent(bulk="blk_1")
    job = bulk_job(conn, "default", "blk_1")
    assert job is not None
    assert job.accepted == 2


def test_jobs_are_listed_youngest_first_and_only_those_that_may_be_seen(conn, given):
    given.accounts("sales", "support")
    jobs = [a_job(number, account="acc_support" if number == 3 else "acc_sales") for number in range(1, 6)]
    store(conn, *jobs, a_job(9, workspace="other"))
    assert walked(lambda **page: bulk_job_page(conn, "default", **page)) == jobs[::-1]
    support = frozenset({"support"})
    assert walked(lambda **page: bulk_job_page(conn, "default", accounts=support, **page), limit=1) == [jobs[2]]
    assert bulk_job(conn, "default", "blk_3", accounts=support) == jobs[2]
    assert bulk_job(conn, "default", "blk_1", accounts=support) is None
    assert bulk_job(conn, "default", "blk_9") is None
    assert bulk_job(conn, "default", "blk_none") is None


def test_refused_items_are_listed_in_their_order(conn):
    errors = [(number, "invalid_address", f"number {number}", "to") for number in (10, 2, 33, 4)]
    conn.execute(insert(bulk_error), [bulk_error_row("blk_1", error) for error in errors])
    conn.execute(insert(bulk_error), [bulk_error_row("blk_2", errors[0])])
    items = walked(lambda **page: bulk_error_page(conn, "blk_1", **page))
    assert [item.index for item in items] == [2, 4, 10, 33]
    expected = BulkItem(2, error_code="invalid_address", error="number 2", field="to", job="blk_1")
    assert items[0] == expected
