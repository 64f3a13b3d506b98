"""Accounts in rows: the account without secrets as JSON, its secrets sealed, its pause and its troubles in its lane."""

import json
from typing import Any

from sqlalchemy import Row

from mailwright.model.account_json import account_from_json, account_secrets, account_to_json
from mailwright.model.account_record import AccountRecord
from mailwright.model.account_record_json import parked_from_json, rules_from_json, rules_to_json
from mailwright.store.rows import Values, json_text, microseconds, moment_of
from mailwright.store.secret_box import SecretBox, account_place


def account_row(record: AccountRecord, box: SecretBox) -> Values:
    secrets = account_secrets(record.account)
    return {
        "id": record.id,
        "workspace": record.workspace,
        "name": record.name,
        "config": json_text({"account": account_to_json(record.account), **rules_to_json(record)}),
        "secrets": box.seal(json_text(secrets).encode(), place=account_place(record.id)) if secrets else None,
        "paused": record.paused,
        "created_at": microseconds(record.created_at),
        "updated_at": microseconds(record.updated_at),
        "version": record.version,
    }


def account_of(row: Row[Any], box: SecretBox) -> AccountRecord:
    """From a row of `account` with `lane_paused` and `parked` of its lane beside it."""
    config = json.loads(row.config)
    sealed = row.secrets
    secrets = json.loads(box.unseal(bytes(sealed), place=account_place(row.id))) if sealed is not None else {}
    return AccountRecord(
        id=row.id,
        workspace=row.workspace,
        name=row.name,
        account=account_from_json(config.pop("account"), secrets),
        created_at=moment_of(row.created_at),
        updated_at=moment_of(row.updated_at),
        version=row.version,
        paused=bool(row.paused if row.lane_paused is None else row.lane_paused),
        parked=parked_from_json(json.loads(row.parked)) if row.parked else None,
        **rules_from_json(config),
    )
