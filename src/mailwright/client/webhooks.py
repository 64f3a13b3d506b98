"""The calls about webhooks, over HTTP."""

from collections.abc import Sequence
from datetime import datetime

from mailwright.client.accounts import if_match
from mailwright.client.http import Http, Query, Request, path_of
from mailwright.client.reading import page_of, webhook_of, webhook_task_of
from mailwright.model.page import Page
from mailwright.model.webhook import WebhookEndpoint, WebhookHealth, WebhookTask
from mailwright.secret import Secret

_TEST_SECONDS = 60.0


class RemoteWebhooks:
    """Endpoints come without their signing secrets, which a service tells nobody: what stands there signs nothing."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def create(
        self, url: str, *, events: Sequence[str] = ("*",), accounts: Sequence[str] = (), description: str = ""
    ) -> tuple[WebhookEndpoint, Secret]:
        body = {"url": url, "events": list(events), "accounts": list(accounts), "description": description}

        def made(value: dict[str, dict[str, object]]) -> tuple[WebhookEndpoint, Secret]:
            secret = Secret(str(value["secret"]))
            return webhook_of(value["webhook"], secret), secret

        return await self._http.call(Request("POST", path_of("webhooks"), body=body), made)

    async def get(self, id: str) -> WebhookEndpoint:
        return await self._http.call(Request("GET", path_of("webhooks", id), repeatable=True), webhook_of)

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[WebhookEndpoint]:
        request = Request("GET", path_of("webhooks"), {"cursor": cursor, "limit": limit}, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, webhook_of))

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
        body = {
            "url": url,
            "events": list(events),
            "accounts": list(accounts),
            "description": description,
            "enabled": enabled,
        }
        request = Request("PUT", path_of("webhooks", id), body=body, headers=if_match(version))
        return await self._http.call(request, webhook_of)

    async def delete(self, id: str) -> None:
        await self._http.content(Request("DELETE", path_of("webhooks", id)))

    async def rotate_secret(self, id: str, *, overlap_seconds: int = 86_400) -> Secret:
        body = {"overlap_seconds": overlap_seconds}
        request = Request("POST", path_of("webhooks", id, "rotate-secret"), body=body)
        return await self._http.call(request, lambda value: Secret(value["secret"]))

    async def test(self, id: str) -> WebhookTask:
        request = Request("POST", path_of("webhooks", id, "test"), waits=_TEST_SECONDS)
        return await self._http.call(request, webhook_task_of)

    async def health(self, id: str) -> WebhookHealth:
        request = Request("GET", path_of("webhooks", id, "health"), repeatable=True)
        return await self._http.call(request, WebhookHealth.from_json)

    async def deliveries(self, id: str, *, cursor: str = "", limit: int = 50) -> Page[WebhookTask]:
        query: Query = {"cursor": cursor, "limit": limit}
        request = Request("GET", path_of("webhooks", id, "deliveries"), query, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, webhook_task_of))

    async def replay(self, id: str, deliveries: Sequence[str] = (), *, since: datetime | None = None) -> int:
        body = {"deliveries": list(deliveries), "since": since}
        request = Request("POST", path_of("webhooks", id, "replay"), body=body)
        return await self._http.call(request, lambda value: int(value["replayed"]))
