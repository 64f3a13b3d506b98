"""Staging: who gets mail while a workspace is in safe mode."""

from collections.abc import Sequence

from mailwright.model.address import Address
from mailwright.model.outbox import RecipientState, RecipientStatus
from mailwright.model.workspace import SafeMode


def recipients_for(addresses: Sequence[Address], safe_mode: SafeMode) -> list[RecipientStatus]:
    """As they are, or redirected; those that may get no mail are kept, so that people see why."""
    return released_to([RecipientStatus(address.spec, RecipientState.WAITING) for address in addresses], safe_mode)


def released_to(recipients: Sequence[RecipientStatus], safe_mode: SafeMode) -> list[RecipientStatus]:
    """Asked again when a message leaves: the workspace may have been put into safe mode while it waited."""
    if not safe_mode.on:
        return list(recipients)
    kept: dict[str, RecipientStatus] = {}
    for who in recipients:
        if not who.state.open or who.address == safe_mode.redirect_to or _allowed(who.address, safe_mode.allow):
            kept.setdefault(who.address, who)
        elif safe_mode.redirect_to:
            kept.setdefault(safe_mode.redirect_to, RecipientStatus(safe_mode.redirect_to, RecipientState.WAITING))
        else:
            kept[who.address] = who._replace(state=RecipientState.SUPPRESSED)
    return list(kept.values())


def _allowed(address: str, allow: Sequence[str]) -> bool:
    spec = address.lower()
    domain = spec.rpartition("@")[2]
    return any(spec == word.lower() or domain == word.lower().removeprefix("@") for word in allow)
