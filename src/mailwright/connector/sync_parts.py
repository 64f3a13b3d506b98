"""The calls of an office without async: each has the parameters and the result of the one it stands for."""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from mailwright.connector.calls import (
    Accounts,
    Audit,
    Events,
    Messages,
    Office,
    Suppressions,
    Tokens,
    Webhooks,
    Workspaces,
)
from mailwright.connector.loop_thread import LoopThread

Part = TypeVar("Part")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class _SyncPart(Generic[Part]):
    def __init__(self, part: Part, thread: LoopThread) -> None:
        self._part = part
        self._thread = thread


def _blocking(
    call: Callable[Concatenate[Part, Parameters], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[_SyncPart[Part], Parameters], Result]:
    @functools.wraps(call)
    def blocking(self: _SyncPart[Part], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        result: Result = self._thread.run(getattr(self._part, call.__name__)(*args, **kwargs))
        return result

    return blocking


def _iterating(
    call: Callable[Concatenate[Part, Parameters], AsyncIterator[Result]],
) -> Callable[Concatenate[_SyncPart[Part], Parameters], Iterator[Result]]:
    @functools.wraps(call)
    def iterating(self: _SyncPart[Part], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Iterator[Result]:
        return self._thread.each(getattr(self._part, call.__name__)(*args, **kwargs))

    return iterating


class SyncAccounts(_SyncPart[Accounts]):
    create = _blocking(Accounts.create)
    get = _blocking(Accounts.get)
    list = _blocking(Accounts.list)
    replace = _blocking(Accounts.replace)
    delete = _blocking(Accounts.delete)
    pause = _blocking(Accounts.pause)
    resume = _blocking(Accounts.resume)
    check = _blocking(Accounts.check)


class SyncMessages(_SyncPart[Messages]):
    send = _blocking(Messages.send)
    accept = _blocking(Messages.accept)
    send_and_wait = _blocking(Messages.send_and_wait)
    send_many = _iterating(Messages.send_many)
    bulk_jobs = _blocking(Messages.bulk_jobs)
    bulk_job = _blocking(Messages.bulk_job)
    bulk_errors = _blocking(Messages.bulk_errors)
    get = _blocking(Messages.get)
    body = _blocking(Messages.body)
    story = _blocking(Messages.story)
    wait = _blocking(Messages.wait)
    list = _blocking(Messages.list)
    cancel = _blocking(Messages.cancel)
    retry = _blocking(Messages.retry)
    release = _blocking(Messages.release)
    clean_up = _blocking(Messages.clean_up)


class SyncEvents(_SyncPart[Events]):
    list = _blocking(Events.list)
    stream = _iterating(Events.stream)


class SyncWebhooks(_SyncPart[Webhooks]):
    create = _blocking(Webhooks.create)
    get = _blocking(Webhooks.get)
    list = _blocking(Webhooks.list)
    replace = _blocking(Webhooks.replace)
    delete = _blocking(Webhooks.delete)
    rotate_secret = _blocking(Webhooks.rotate_secret)
    test = _blocking(Webhooks.test)
    health = _blocking(Webhooks.health)
    deliveries = _blocking(Webhooks.deliveries)
    replay = _blocking(Webhooks.replay)


class SyncSuppressions(_SyncPart[Suppressions]):
    add = _blocking(Suppressions.add)
    remove = _blocking(Suppressions.remove)
    get = _blocking(Suppressions.get)
    list = _blocking(Suppressions.list)


class SyncWorkspaces(_SyncPart[Workspaces]):
    create = _blocking(Workspaces.create)
    get = _blocking(Workspaces.get)
    list = _blocking(Workspaces.list)
    replace = _blocking(Workspaces.replace)
    delete = _blocking(Workspaces.delete)


class SyncTokens(_SyncPart[Tokens]):
    create = _blocking(Tokens.create)
    list = _blocking(Tokens.list)
    revoke = _blocking(Tokens.revoke)


class SyncAudit(_SyncPart[Audit]):
    list = _blocking(Audit.list)
    verify = _blocking(Audit.verify)


class SyncOffice:
    def __init__(self, office: Office, thread: LoopThread) -> None:
        self.accounts = SyncAccounts(office.accounts, thread)
        self.messages = SyncMessages(office.messages, thread)
        self.events = SyncEvents(office.events, thread)
        self.webhooks = SyncWebhooks(office.webhooks, thread)
        self.suppressions = SyncSuppressions(office.suppressions, thread)
        self.workspaces = SyncWorkspaces(office.workspaces, thread)
        self.tokens = SyncTokens(office.tokens, thread)
        self.audit = SyncAudit(office.audit, thread)
