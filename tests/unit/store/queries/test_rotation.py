"""Secrets under the newest key: resumable, and in the way of nobody."""

import pytest
from sqlalchemy import insert, select, update

from mailwright.errors import UnsealError
from mailwright.store.account_rows import account_row
from mailwright.store.keyring import Keyring
from mailwright.store.keys import Key
from mailwright.store.queries.accounts import account_by_id
from mailwright.store.queries.webhooks import webhook_by_id
from mailwright.store.rotation import Reseal, SecretCount, count_secrets, reseal_secrets
from mailwright.store.schema import account, webhook
from mailwright.store.secret_box import KeyringBox
from mailwright.store.webhook_rows import webhook_row
from tests.unit.store.queries.given import a_record
from tests.unit.store.queries.test_webhooks import an_endpoint

OLD, NEW = Key("old", b"o" * 32), Key("new-and-much-longer", b"n" * 32)
OLD_BOX, BOTH, NEW_BOX = (KeyringBox(Keyring(keys)) for keys in ([OLD], [OLD, NEW], [NEW]))


def store(conn, box, names, endpoints=()):
    if names:
        conn.execute(insert(account), [account_row(a_record(name), box) for name in names])
    if endpoints:
        conn.execute(insert(webhook), [{**webhook_row(item, box), "health": "{}"} for item in endpoints])


def rotate(conn, limit):
    """What each batch did, and what it looked at."""
    done, after = [], ""
    while True:
        (batch,) = reseal_secrets(conn, [Reseal(BOTH, after, limit)])
        done.append((batch.seen, batch.done))
        after = batch.after
        if not after:
            return done


def test_after_a_rotation_the_old_key_is_not_needed(conn):
    names, endpoints = [f"n{number}" for number in range(5)], [an_endpoint(number) for number in range(3)]
    store(conn, OLD_BOX, names, endpoints)
    store(conn, BOTH, ["fresh"])
    conn.execute(update(account).where(account.c.name == "n0").values(secrets=None))
    assert count_secrets(conn, BOTH) == SecretCount(8, 7)
    with pytest.raises(UnsealError):
        account_by_id(conn, NEW_BOX, "acc_n1")
    assert rotate(conn, limit=2) == [(2, 1), (2, 2), (1, 1), (2, 2), (1, 1)]
    assert count_secrets(conn, BOTH) == SecretCount(8, 0)
    for name in names[1:]:
        assert account_by_id(conn, NEW_BOX, f"acc_{name}") == a_record(name)
    for endpoint in endpoints:
        assert webhook_by_id(conn, NEW_BOX, "default", endpoint.id) == endpoint
    assert [done for _, done in rotate(conn, limit=100)] == [0, 0]


def test_an_empty_database_is_done_at_once(conn):
    assert rotate(conn, limit=10) == [(0, 0), (0, 0)]
    assert count_secrets(conn, BOTH) == SecretCount(0, 0)


def test_a_secret_that_does_not_open_stops_the_rotation_and_loses_nothing(conn):
    store(conn, OLD_BOX, ["a", "b"])
    sealed = conn.execute(select(account.c.secrets).where(account.c.name == "a")).scalar_one()
    conn.execute(update(account).where(account.c.name == "b").values(secrets=sealed))
    with pytest.raises(UnsealError):
        reseal_secrets(conn, [Reseal(BOTH)])
    assert account_by_id(conn, OLD_BOX, "acc_a") == a_record("a")


@pytest.mark.parametrize("engine", [pytest.param("postgres", marks=pytest.mark.real)], indirect=True)
def test_a_secret_that_somebody_wrote_in_that_moment_stays(engine):
    class Meddling(KeyringBox):
        """Between the reading of a row and its writing, somebody gives the account a new password."""

        def seal(self, plaintext, *, place):
            with engine.begin() as other:
                changed = account_row(a_record("changed", id="acc_a"), BOTH)["secrets"]
                other.execute(update(account).where(account.c.id == "acc_a").values(secrets=changed))
            return super().seal(plaintext, place=place)

    with engine.connect() as conn:
        store(conn, OLD_BOX, ["a"])
        conn.commit()
        reseal_secrets(conn, [Reseal(Meddling(Keyring([OLD, NEW])))])
        conn.commit()
        record = account_by_id(conn, NEW_BOX, "acc_a")
        conn.execute(account.delete())
        conn.commit()
    assert record is not None
    sign_in = record.account.outgoing.sign_in
    assert sign_in is not None
    assert sign_in.password is not None
    assert sign_in.password.reveal() == "secret of changed"
