"""The audit trail's chain: each entry is hashed together with the hash of the one before.

Whoever changes, removes or inserts an entry has to rewrite every later hash, and with them the last one, which an
operator can note elsewhere. The chain alone does not show that entries are missing at its end.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text

from mailwright.errors import StoreError
from mailwright.model.changes import AddAudit
from mailwright.store.rows import json_text
from mailwright.store.schema import audit

#: any number, the same for everybody who appends
_POSTGRES_LOCK = 0x6D61_696C_6175
_LAST = select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
_PORTION = select(audit).where(audit.c.number > bindparam("after")).order_by(audit.c.number).limit(1000)


def entry_hash(values: Mapping[Any, Any]) -> str:
    """Of the columns of a row without `hash`, as JSON in one spelling: sorted names, no spaces, ASCII."""
    signed = {name: values[name] for name in values if name != "hash"}
    canonical = json.dumps(signed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def append(connection: Connection, change: AddAudit) -> int:
    """Returns the number of the entry."""
    if connection.dialect.name == "postgresql":
        # Until the end of the transaction: the next one needs our hash. SQLite lets only one write at a time anyway.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _POSTGRES_LOCK})
    last = connection.execute(_LAST).first()
    values = {
        "number": last.number + 1 if last else 1,
        "at": change.at,
        "actor": change.actor,
        "workspace": change.workspace,
        "action": change.action,
        "target": change.target,
        "details": json_text(dict(change.details)),
        "previous_hash": last.hash if last else "",
    }
    connection.execute(insert(audit), {**values, "hash": entry_hash(values)})
    return int(values["number"])


def verify(connection: Connection) -> int:
    """Returns how many entries there are. StoreError: the first one that does not fit."""
    number, previous = 0, ""
    while rows := connection.execute(_PORTION, {"after": number}).mappings().all():
        for row in rows:
            # The hash covers the number too.
            if row["previous_hash"] != previous or row["hash"] != entry_hash(row):
                raise StoreError(f"the audit trail is broken at entry {row['number']}")
            number, previous = row["number"], row["hash"]
    return number
