"""An account as JSON: as it is kept (its secrets apart), as people see it (masked), and as they give it.

The sign-in is written flat, beside the host, as everybody types it:

    {"address": "ann@example.org", "outgoing": {"host": "smtp.example.org", "username": "ann", "password": "***"}}
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from mailwright.errors import InvalidAccount, MissingCredential
from mailwright.model.account import Account, Outgoing, PoolLimits, Proxy, Timeouts
from mailwright.model.json_fields import (
    FLAG,
    INTEGER,
    NUMBER,
    OBJECT,
    TEXT,
    TEXT_OR_INTEGER,
    Kind,
    errors_under,
    given_fields,
)
from mailwright.secret import Secret

#: what stands in the place of a secret
MASK = "***"

PASSWORD = "outgoing.password"  # noqa: S105 - the name of a field
ACCESS_TOKEN = "outgoing.access_token"  # noqa: S105
PROXY_PASSWORD = "outgoing.proxy.password"  # noqa: S105
SECRET_FIELDS = (PASSWORD, ACCESS_TOKEN, PROXY_PASSWORD)

_ACCOUNT: Mapping[str, Kind] = {"address": TEXT, "display_name": TEXT, "name": TEXT, "outgoing": OBJECT}
_OUTGOING: Mapping[str, Kind] = {
    "host": TEXT,
    "port": TEXT_OR_INTEGER,
    "security": TEXT,
    "username": TEXT,
    "password": TEXT,
    "access_token": TEXT,
    "mechanism": TEXT,
    "verify_trust": FLAG,
    "verify_hostname": FLAG,
    "ca_certificates": TEXT,
    "pinned_certificate": TEXT,
    "allow_clear_text_password": FLAG,
    "port_25": TEXT,
    "proxy": OBJECT,
    "source_address": TEXT,
    "ehlo_name": TEXT,
    "timeouts": OBJECT,
    "pool": OBJECT,
    "chunking": FLAG,
}
_PROXY: Mapping[str, Kind] = {
    "kind": TEXT,
    "host": TEXT,
    "port": TEXT_OR_INTEGER,
    "username": TEXT,
    "password": TEXT,
}
_TIMEOUTS: Mapping[str, Kind] = {part.name: NUMBER for part in fields(Timeouts)}
_POOL: Mapping[str, Kind] = {"sessions": INTEGER, "messages_per_session": INTEGER, "idle_seconds": NUMBER}

# Our own mask, that of `repr`, and the row of asterisks that forms show.
_MASKED = re.compile(r"(?:\*{3,}|Secret\(\*{3}\))\Z")


def account_to_json(account: Account) -> dict[str, Any]:
    """Everything but its secrets."""
    local, _, _ = account.address.spec.rpartition("@")
    return {
        # The domain as it was written: `spec` has it in ASCII.
        "address": f"{local}@{account.address.domain}",
        "display_name": account.display_name,
        "name": account.name,
        "outgoing": _outgoing_to_json(account.outgoing),
    }


def account_secrets(account: Account) -> dict[str, str]:
    """Its secrets by the names of their fields, to be kept encrypted."""
    return {name: secret.reveal() for name, secret in _secrets(account).items()}


def masked_account(account: Account) -> dict[str, Any]:
    """For people and logs: each secret that is set shows as `***`, the others as null."""
    value = account_to_json(account)
    found = _secrets(account)
    return _with_secrets(value, {name: MASK if name in found else None for name in SECRET_FIELDS})


def account_from_json(value: Mapping[str, Any], secrets: Mapping[str, str]) -> Account:
    """What `account_to_json` and `account_secrets` took apart."""
    return _account(_with_secrets(value, secrets))


def account_from_input(value: Mapping[str, Any], existing: Account | None = None) -> Account:
    """What somebody gave. A secret that is left out is that of `existing`; null or an empty text takes it away.

    A stored secret is kept only where it goes to the same server as before, equally protected: who may change an
    account may not read its password by sending it to a server of their own.
    """
    outgoing = value.get("outgoing")
    if not isinstance(outgoing, Mapping):
        return _account(value)
    _refuse_masks(value)
    proxy = outgoing.get("proxy")
    account = _account(_complete(value, existing) if existing is not None else value)
    if existing is not None:
        _refuse_detours(account, existing, outgoing, proxy if isinstance(proxy, Mapping) else {})
    return account


def _complete(value: Mapping[str, Any], existing: Account) -> dict[str, Any]:
    """With the stored secrets in the places that were left out."""
    outgoing = value["outgoing"]
    stored = _secrets(existing)
    kept: dict[str, str] = {}
    # A new token takes the place of a password, and a new password that of a token.
    if outgoing.get("username") and not outgoing.get("password") and not outgoing.get("access_token"):
        for name, field in ((PASSWORD, "password"), (ACCESS_TOKEN, "access_token")):
            if name in stored and field not in outgoing:
                kept[name] = stored[name].reveal()
    proxy = outgoing.get("proxy")
    if isinstance(proxy, Mapping) and proxy.get("username") and "password" not in proxy and PROXY_PASSWORD in stored:
        kept[PROXY_PASSWORD] = stored[PROXY_PASSWORD].reveal()
    return _with_secrets(value, kept)


def _refuse_detours(account: Account, existing: Account, outgoing: Mapping[str, Any], proxy: Mapping[str, Any]) -> None:
    new, old = account.outgoing, existing.outgoing
    given = outgoing.get("password") or outgoing.get("access_token")
    if new.sign_in and not given and _way(new) != _way(old):
        raise MissingCredential(
            "the stored password is not sent to another server, as another user or with other protection",
            field=PASSWORD,
            hint="give the password or the token again",
        )
    if new.proxy and new.proxy.password and not proxy.get("password") and _proxy_way(new) != _proxy_way(old):
        raise MissingCredential(
            "the stored password is not sent to another proxy", field=PROXY_PASSWORD, hint="give it again"
        )


def _way(outgoing: Outgoing) -> tuple[object, ...]:
    """Everything that decides who gets to see the password."""
    return (
        outgoing.host,
        outgoing.port,
        outgoing.security,
        outgoing.sign_in.username if outgoing.sign_in else "",
        outgoing.verify_trust,
        outgoing.verify_hostname,
        outgoing.ca_certificates,
        outgoing.pinned_certificate,
        outgoing.allow_clear_text_password,
        _proxy_way(outgoing),
    )


def _proxy_way(outgoing: Outgoing) -> tuple[object, ...]:
    proxy = outgoing.proxy
    return (proxy.kind, proxy.host, proxy.port, proxy.username) if proxy else ()


def _refuse_masks(value: Mapping[str, Any]) -> None:
    for name in SECRET_FIELDS:
        found: Any = value
        for step in name.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        if isinstance(found, str) and _MASKED.match(found.strip()):
            raise InvalidAccount(
                "this is what stands in the place of a secret, not the secret",
                field=name,
                hint="leave the field out to keep the secret that is stored",
            )


def _secrets(account: Account) -> dict[str, Secret]:
    sign_in, proxy = account.outgoing.sign_in, account.outgoing.proxy
    found = {
        PASSWORD: sign_in.password if sign_in else None,
        ACCESS_TOKEN: sign_in.access_token if sign_in else None,
        PROXY_PASSWORD: proxy.password if proxy else None,
    }
    return {name: secret for name, secret in found.items() if secret}


def _with_secrets(value: Mapping[str, Any], secrets: Mapping[str, str | None]) -> dict[str, Any]:
    """A copy with them in their places. A place below something that is not there is left out."""
    outgoing = dict(value["outgoing"])
    for name in (PASSWORD, ACCESS_TOKEN):
        if name in secrets:
            outgoing[name.rpartition(".")[2]] = secrets[name]
    if PROXY_PASSWORD in secrets and outgoing.get("proxy") is not None:
        outgoing["proxy"] = {**outgoing["proxy"], "password": secrets[PROXY_PASSWORD]}
    return {**value, "outgoing": outgoing}


def _outgoing_to_json(outgoing: Outgoing) -> dict[str, Any]:
    sign_in, proxy = outgoing.sign_in, outgoing.proxy
    return {
        "host": outgoing.host,
        "port": outgoing.port,
        "security": outgoing.security.value,
        "username": sign_in.username if sign_in else "",
        "mechanism": sign_in.mechanism.value if sign_in and sign_in.mechanism else None,
        "verify_trust": outgoing.verify_trust,
        "verify_hostname": outgoing.verify_hostname,
        "ca_certificates": outgoing.ca_certificates,
        "pinned_certificate": outgoing.pinned_certificate,
        "allow_clear_text_password": outgoing.allow_clear_text_password,
        "port_25": outgoing.port_25.value,
        "proxy": _proxy_to_json(proxy) if proxy else None,
        "source_address": outgoing.source_address,
        "ehlo_name": outgoing.ehlo_name,
        "timeouts": asdict(outgoing.timeouts),
        "pool": asdict(outgoing.pool),
        "chunking": outgoing.chunking,
    }


def _proxy_to_json(proxy: Proxy) -> dict[str, Any]:
    return {"kind": proxy.kind.value, "host": proxy.host, "port": proxy.port, "username": proxy.username}


def _account(value: Mapping[str, Any]) -> Account:
    given = given_fields(value, _ACCOUNT)
    for name in ("address", "outgoing"):
        if name not in given:
            raise InvalidAccount("this is missing", field=name)
    with errors_under("outgoing"):
        outgoing = _outgoing(given.pop("outgoing"))
    return Account(given.pop("address"), outgoing, **given)


def _outgoing(value: Mapping[str, Any]) -> Outgoing:
    given = given_fields(value, _OUTGOING)
    proxy = given.pop("proxy", None)
    if proxy is not None:
        with errors_under("proxy"):
            parts = given_fields(proxy, _PROXY)
            for name in ("kind", "host", "port"):
                if name not in parts:
                    raise InvalidAccount("this is missing", field=name)
        given["proxy"] = Proxy(**parts)
    for name, kinds, make in (("timeouts", _TIMEOUTS, Timeouts), ("pool", _POOL, PoolLimits)):
        if name in given:
            with errors_under(name):
                parts = given_fields(given[name], kinds)
            given[name] = make(**parts)
    return Outgoing(given.pop("host", ""), given.pop("port", None), **given)
