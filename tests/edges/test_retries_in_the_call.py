"""`send(…, retries=N)`: tried again at once, in the call, and only what was surely not sent for a passing reason."""

import pytest

from mailwright import Account, Mailwright, Message, Outgoing, RecipientsRefused, SignInRefused, Uncertain
from mailwright.devserver import DevServer, DevServerOptions, Failure

MESSAGE = Message(to="ann@example.org", subject="Hello", text="Good morning")


def account(server: DevServer, **more: str) -> Account:
    outgoing = Outgoing(server.host, server.port, security="none", **more)  # type: ignore[arg-type]
    return Account("you@example.com", outgoing)


async def test_a_passing_refusal_is_tried_again_as_often_as_was_said() -> None:
    async with DevServer(DevServerOptions(failures=(Failure("rcpt", "450", times=3),))) as server, Mailwright() as mail:
        result = await mail.send(account(server), MESSAGE, retries=3)
        assert result.accepted == ("ann@example.org",)
        assert len(server.mails) == 1


async def test_when_the_retries_are_used_up_the_last_answer_is_raised() -> None:
    async with DevServer(DevServerOptions(failures=(Failure("rcpt", "450", times=3),))) as server, Mailwright() as mail:
        with pytest.raises(RecipientsRefused) as caught:
            await mail.send(account(server), MESSAGE, retries=2)
        assert caught.value.temporary
        # The three failures are used up: exactly three attempts were made.
        assert (await mail.send(account(server), MESSAGE)).accepted == ("ann@example.org",)


@pytest.mark.parametrize(
    ("failure", "more", "error"),
    [
        (Failure("rcpt", "550", times=1), {}, RecipientsRefused),
        (Failure("auth", "454", times=1), {"username": "ann", "password": "secret"}, SignInRefused),
        (Failure("final_dot", "disconnect", times=1), {}, Uncertain),
    ],
)
async def test_what_is_refused_for_good_or_uncertain_is_not_tried_again(
    failure: Failure, more: dict[str, str], error: type[Exception]
) -> None:
    async with DevServer(DevServerOptions(failures=(failure,))) as server, Mailwright() as mail:
        with pytest.raises(error):
            await mail.send(account(server, **more), MESSAGE, retries=5)
        assert server.mails == ()


async def test_without_a_word_nothing_is_tried_again() -> None:
    async with DevServer(DevServerOptions(failures=(Failure("rcpt", "450", times=1),))) as server, Mailwright() as mail:
        with pytest.raises(RecipientsRefused):
            await mail.send(account(server), MESSAGE)
