"""The public page behind the link of a mail: looking changes nothing, only a post of the right form does."""

import re

import pytest

from tests.edges.api_client import running_api

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def test_looking_at_the_page_changes_nothing() -> None:
    async with running_api() as api:
        for method in ("GET", "HEAD", "GET", "OPTIONS"):
            answer = await api.client.request(method, "/u/good-news")
            assert answer.status_code in (200, 204)
        assert api.desk.left == set()
        shown = await api.client.get("/u/good-news")
        assert "ann@example.org" in shown.text
        assert "list news" in shown.text


async def test_the_button_of_a_mail_program_unsubscribes() -> None:
    async with running_api() as api:
        answer = await api.client.post("/u/good-1", data=ONE_CLICK)
        assert answer.status_code == 200
        answer = await api.client.post("/u/good-2", files={"List-Unsubscribe": (None, "One-Click")})
        assert answer.status_code == 200
        assert api.desk.left == {"good-1", "good-2"}


async def test_the_button_of_the_page_posts_what_a_mail_program_would() -> None:
    async with running_api() as api:
        shown = (await api.client.get("/u/good-1")).text
        name, value = re.search(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', shown).groups()
        assert '<form method="post">' in shown
        answer = await api.client.post("/u/good-1", data={name: value})
        assert "gets no more mail" in answer.text
        assert api.desk.left == {"good-1"}
        again = (await api.client.get("/u/good-1")).text
        assert "gets no more mail" in again
        assert "<form" not in again


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"List-Unsubscribe=No", "application/x-www-form-urlencoded"),
        (b'{"List-Unsubscribe": "One-Click"}', "application/json"),
        (b"List-Unsubscribe=One-Click", "text/plain"),
        (b"rubbish", "multipart/form-data; boundary=x"),
        (b"rubbish", "multipart/form-data"),
    ],
)
async def test_any_other_post_asks_first(content: bytes, kind: str) -> None:
    async with running_api() as api:
        answer = await api.client.post("/u/good-1", content=content, headers={"content-type": kind})
        assert answer.status_code == 400
        assert "<form" in answer.text
        assert api.desk.left == set()


async def test_a_body_without_end_is_not_read() -> None:
    async with running_api() as api:
        answer = await api.client.post("/u/good-1", data={"x": "y" * 100_000})
        assert answer.status_code == 413
        assert api.desk.left == set()


async def test_a_link_that_is_not_ours_is_a_page_that_says_so() -> None:
    async with running_api() as api:
        for answer in (await api.client.get("/u/forged"), await api.client.post("/u/forged", data=ONE_CLICK)):
            assert answer.status_code == 404
            assert "not one of ours" in answer.text


async def test_the_page_loads_nothing_and_tells_nobody() -> None:
    async with running_api() as api:
        answer = await api.client.get("/u/good-1")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
        assert "script" not in answer.text
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"(?:src|href)=", answer.text)


async def test_nothing_of_a_list_or_an_address_becomes_markup() -> None:
    from tests.edges.memory_desk import Leaver, MemoryDesk

    class Hostile(MemoryDesk):
        async def describe_unsubscribe(self, token: str) -> Leaver:
            return Leaver('"<script>"@example.org', "<b>news", left=False)

    async with running_api(Hostile()) as api:
        text = (await api.client.get("/u/x")).text
        assert "<script>" not in text
        assert "<b>" not in text
        assert "&lt;script&gt;" in text
