"""The calls without async: the same ones, from any number of threads, leaving nothing behind."""

import asyncio
import inspect
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from mailwright import (
    Account,
    Closed,
    InvalidSetting,
    Mailwright,
    Message,
    Outgoing,
    PoolLimits,
    RecipientsRefused,
    Settings,
    SyncMailwright,
)
from mailwright.devserver import DevServer, DevServerOptions, Failure

MESSAGE = Message(to="bob@example.com", subject="Hello", text="Good morning")


@contextmanager
def server_in_a_thread(*failures: Failure):
    """A development server on a loop of its own, as a script without async meets one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = DevServer(DevServerOptions(failures=failures))
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(20)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def account(server: DevServer, **options) -> Account:
    return Account("ann@example.org", Outgoing("127.0.0.1", server.port, security="none", **options))


def calls(kind: type) -> dict[str, inspect.Signature]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: inspect.signature(call, eval_str=True) for name, call in found if not name.startswith("_")}


def test_every_call_is_there_with_the_same_parameters_and_the_same_result():
    plain, blocking = calls(Mailwright), calls(SyncMailwright)
    del plain["sync"]
    # Each in its own manner: with async and without.
    assert plain.pop("workspace").parameters == blocking.pop("workspace").parameters
    assert {"send", "check", "compose", "close"} <= set(plain)
    assert blocking == plain


def test_what_is_awaited_there_is_called_here():
    assert inspect.iscoroutinefunction(Mailwright.send)
    assert not any(inspect.iscoroutinefunction(getattr(SyncMailwright, name)) for name in calls(SyncMailwright))


def test_a_script_sends_and_checks_without_async():
    with server_in_a_thread() as server, Mailwright.sync() as mail:
        result = mail.send(account(server), MESSAGE)
        assert result.accepted == ("bob@example.com",)
        assert mail.check(account(server)).ok
        composed = mail.compose(account(server), MESSAGE)
        assert mail.send(account(server), composed).message_id == composed.message_id
        assert server.caught == 2


def test_many_threads_send_at_once_over_the_same_sessions():
    with server_in_a_thread() as server, Mailwright.sync() as mail, ThreadPoolExecutor(8) as threads:
        to = account(server, pool=PoolLimits(sessions=2))
        results = list(threads.map(lambda _: mail.send(to, MESSAGE), range(80)))
        assert len({result.message_id for result in results}) == 80
        assert server.caught == 80
        assert server.connections <= 2


def test_errors_come_through_with_their_type_and_what_the_server_said():
    with server_in_a_thread() as server, Mailwright.sync() as mail:
        with pytest.raises(RecipientsRefused) as caught:
            mail.send(account(server), Message(to="rcpt-550@example.com", text="x"))
        assert caught.value.recipients["rcpt-550@example.com"].code == 550
        mail.send(account(server), MESSAGE)


def threads_of_ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mailwright"]


def test_no_thread_is_left_behind_after_an_error_either():
    with server_in_a_thread() as server:
        with Mailwright.sync() as mail:
            assert len(threads_of_ours()) == 1
            mail.send(account(server), MESSAGE)
        assert threads_of_ours() == []
        with pytest.raises(RecipientsRefused), Mailwright.sync() as mail:
            mail.send(account(server), Message(to="rcpt-550@example.com", text="x"))
        assert threads_of_ours() == []


def test_no_thread_is_left_behind_when_the_settings_are_wrong():
    with pytest.raises(InvalidSetting), Mailwright.sync(settings=Settings(dial_allow=("nonsense",))):
        pytest.fail("it was opened")
    assert threads_of_ours() == []


def test_closing_twice_is_closing_once_and_afterwards_calls_are_refused():
    with server_in_a_thread() as server:
        to = account(server)
        with Mailwright.sync() as mail:
            mail.send(to, MESSAGE)
            mail.close()
            mail.close()
            for call in (lambda: mail.send(to, MESSAGE), lambda: mail.check(to), lambda: mail.compose(to, MESSAGE)):
                with pytest.raises(Closed):
                    call()
        assert server.caught == 1


def test_a_call_before_it_is_opened_says_how_to_open_it():
    with pytest.raises(Closed, match=r"with Mailwright\.sync"):
        Mailwright.sync().send(Account("ann@example.org", Outgoing("127.0.0.1", 1)), MESSAGE)


def test_an_interrupted_caller_takes_the_message_back_and_closing_does_not_hang(monkeypatch):
    """Ctrl-C while the server says nothing: the interrupt comes out, the queue is empty, the thread ends."""
    with server_in_a_thread(Failure("greeting", "silence")) as server:
        with Mailwright.sync() as mail:
            run = asyncio.run_coroutine_threadsafe
            cancelled = []

            def interrupted(call, loop):
                future = run(call, loop)
                if call.__name__ != "send":
                    return future
                future.add_done_callback(lambda done: cancelled.append(done.cancelled()))
                monkeypatch.setattr(future, "result", _interrupt)
                return future

            monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
            with pytest.raises(KeyboardInterrupt):
                mail.send(account(server), MESSAGE)
            assert cancelled == [True]
        assert threads_of_ours() == []


@pytest.mark.parametrize("security", ["none", "implicit"])
@pytest.mark.parametrize("call", ["check", "send"])
def test_closing_in_one_thread_ends_a_call_in_another(security, call):
    """The server says nothing: neither a greeting nor its part of the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        to = Account("ann@example.org", Outgoing("127.0.0.1", listener.getsockname()[1], security=security))
        with Mailwright.sync() as mail:
            waiting = threads.submit(*((mail.check, to) if call == "check" else (mail.send, to, MESSAGE)))
            accepted, _ = listener.accept()
            with accepted:
                mail.close()
                with pytest.raises(Closed):
                    waiting.result(20)
        assert threads_of_ours() == []


def test_threads_that_go_on_calling_while_it_closes_hear_that_it_is_closed():
    with server_in_a_thread() as server, ThreadPoolExecutor(8) as threads:
        to, begun = account(server, pool=PoolLimits(sessions=2)), threading.Barrier(9)

        def go_on() -> Exception:
            begun.wait(20)
            try:
                while True:
                    mail.send(to, MESSAGE)
            except Exception as error:  # noqa: BLE001 - which one it is, is the question
                return error

        with Mailwright.sync() as mail:
            ends = [threads.submit(go_on) for _ in range(8)]
            begun.wait(20)
        assert {type(end.result(20)) for end in ends} == {Closed}
        assert threads_of_ours() == []


def test_closing_waits_for_a_call_that_is_on_its_way_to_the_loop(monkeypatch):
    with server_in_a_thread() as server, Mailwright.sync() as mail:
        run, lock, held_up_or_closed = asyncio.run_coroutine_threadsafe, threading.Lock(), threading.Event()

        class Watched:
            def __enter__(self) -> None:
                if not lock.acquire(blocking=False):
                    held_up_or_closed.set()
                    lock.acquire()

            def __exit__(self, *_error) -> None:
                lock.release()

        def close() -> None:
            mail.close()
            held_up_or_closed.set()

        closing = threading.Thread(target=close)

        def late(call, loop):
            if call.__name__ == "send":
                closing.start()
                assert held_up_or_closed.wait(20)
            return run(call, loop)

        monkeypatch.setattr(mail._thread, "_handing_over", Watched())
        monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", late)
        # It gets through or is refused; it is never lost between a loop that ends and one that has ended.
        with suppress(Closed):
            mail.send(account(server), MESSAGE)
        closing.join()
    assert threads_of_ours() == []


def _interrupt() -> None:
    raise KeyboardInterrupt
