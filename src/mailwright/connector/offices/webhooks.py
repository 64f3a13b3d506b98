"""Webhook endpoints: made, changed, tested, and their deliveries replayed."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mailwright.connector.clock import microseconds, now
from mailwright.connector.offices.desk import OfficePart, page_size
from mailwright.connector.webhook_courier import deliver_now
from mailwright.errors import NotFound
from mailwright.model.access import Action
from mailwright.model.changes import DropWebhook, PutWebhook, ReplayTasks
from mailwright.model.event import Event, EventType
from mailwright.model.page import Page
from mailwright.model.webhook import SigningSecret, WebhookEndpoint, WebhookHealth, WebhookTask
from mailwright.secret import Secret
from mailwright.store.ids import new_id
from mailwright.store.queries.webhooks import webhook_by_id, webhook_health, webhook_page, webhook_task_page

_KEY_BYTES = 32


class WebhooksOffice(OfficePart):
    async def create(
        self, url: str, *, events: Sequence[str] = ("*",), accounts: Sequence[str] = (), description: str = ""
    ) -> tuple[WebhookEndpoint, Secret]:
        self._access.require(Action.WEBHOOKS_MANAGE)
        at = datetime.now(UTC)
        secret = _new_secret(at)
        endpoint = WebhookEndpoint(
            id=new_id("whk"),
            workspace=self._workspace,
            url=url,
            secrets=(secret,),
            created_at=at,
            events=tuple(events),
            accounts=await self._account_ids(accounts),
            description=description,
        )
        await self._commit(PutWebhook(endpoint, 0), self._audited("webhook.create", endpoint.id, {"url": url}))
        return endpoint, secret.secret

    async def get(self, id: str) -> WebhookEndpoint:
        self._access.require(Action.WEBHOOKS_MANAGE)
        box = self._parts.secrets
        found = await self._read(lambda conn: webhook_by_id(conn, box, self._workspace, id))
        if found is None:
            raise NotFound("there is no such webhook", field="id")
        return found

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[WebhookEndpoint]:
        self._access.require(Action.WEBHOOKS_MANAGE)
        box = self._parts.secrets
        return await self._read(
            lambda conn: webhook_page(conn, box, self._workspace, cursor=cursor, limit=page_size(limit))
        )

    async def replace(
        self,
        id: str,
        *,
        url: str,
        events: Sequence[str],
        accounts: Sequence[str],
        description: str,
        enabled: bool,
        version: int | None = None,
    ) -> WebhookEndpoint:
        before = await self.get(id)
        expected = version or before.version
        endpoint = replace(
            before,
            url=url,
            events=tuple(events),
            accounts=await self._account_ids(accounts),
            description=description,
            enabled=enabled,
            disabled_because="" if enabled else before.disabled_because,
            version=expected + 1,
        )
        await self._commit(PutWebhook(endpoint, expected), self._audited("webhook.replace", id, {"url": url}))
        return endpoint

    async def delete(self, id: str) -> None:
        await self.get(id)
        await self._commit(DropWebhook(self._workspace, id), self._audited("webhook.delete", id))

    async def rotate_secret(self, id: str, *, overlap_seconds: int = 86_400) -> Secret:
        before = await self.get(id)
        at = datetime.now(UTC)
        secret = _new_secret(at)
        endpoint = before.rotated(secret, at, timedelta(seconds=overlap_seconds))
        await self._commit(PutWebhook(endpoint, before.version), self._audited("webhook.rotate_secret", id))
        return secret.secret

    async def test(self, id: str) -> WebhookTask:
        endpoint = await self.get(id)
        at = datetime.now(UTC)
        event = Event(new_id("evt"), self._workspace, EventType.WEBHOOK_TEST, at, data={"webhook": id})
        return await deliver_now(self._parts, endpoint, event)

    async def health(self, id: str) -> WebhookHealth:
        await self.get(id)
        return await self._read(lambda conn: webhook_health(conn, id)) or WebhookHealth()

    async def deliveries(self, id: str, *, cursor: str = "", limit: int = 50) -> Page[WebhookTask]:
        await self.get(id)
        return await self._read(lambda conn: webhook_task_page(conn, id, cursor=cursor, limit=page_size(limit)))

    async def replay(self, id: str, deliveries: Sequence[str] = (), *, since: datetime | None = None) -> int:
        await self.get(id)
        start = microseconds(since) if since is not None else 0
        replayed, _ = await self._commit(
            ReplayTasks(self._workspace, id, list(deliveries), start, now()),
            self._audited("webhook.replay", id, {"deliveries": list(deliveries)[:20], "since": start}),
        )
        self._parts.wake.hint()
        return int(replayed)

    async def _account_ids(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple([(await self._parts.directory.account(self._workspace, name)).id for name in names])


def _new_secret(at: datetime) -> SigningSecret:
    return SigningSecret.of_bytes(new_id("sec"), secrets.token_bytes(_KEY_BYTES), at)
