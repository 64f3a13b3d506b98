"""What shall go wrong, when, and how often: as values, and as people write them.

    failure  = phase [":" times] "=" action          --fail rcpt=450    --fail "mail:2=451 4.3.0 Later"
    name     = phase "-" action ["+" anything]       rcpt-550@example.com, dot-disconnect@…, body-slow-5@…
             / "slow-" seconds                       slow-5@…: the same as rcpt-slow-5
    phase    = "greeting" / "tls" / "ehlo" / "starttls" / "auth" / "mail" / "rcpt" / "data" / "body"
             / "final_dot" / "dot" / "rset" / "quit"
    action   = code [" " text] / "disconnect" / "silence" / "stall" / "slow:" seconds / "garbage" / "overlong"
             / "accept-then-disconnect" / "accept-then-silence"

A name is the local part of a recipient (rcpt, data, body, final_dot), of the sender (mail and these four) or of the
user who signs in (auth).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mailwright.errors import InvalidSetting
from mailwright.reply import Phase

#: in the order in which a session goes through them
PHASES = (
    Phase.GREETING,
    Phase.TLS,
    Phase.EHLO,
    Phase.STARTTLS,
    Phase.AUTH,
    Phase.MAIL,
    Phase.RCPT,
    Phase.DATA,
    Phase.BODY,
    Phase.FINAL_DOT,
    Phase.RSET,
    Phase.QUIT,
)
#: what the name of a recipient can choose; the name of the sender also chooses MAIL
NAMED_BY_RECIPIENT = frozenset({Phase.RCPT, Phase.DATA, Phase.BODY, Phase.FINAL_DOT})
NAMED_BY_SENDER = NAMED_BY_RECIPIENT | {Phase.MAIL}
NAMED_BY_USER = frozenset({Phase.AUTH})

MAX_SECONDS = 86_400.0


class ActionKind(StrEnum):
    #: a reply code with a text
    REPLY = "reply"
    #: closes the connection
    DISCONNECT = "disconnect"
    #: a black hole: reads everything, answers nothing, keeps the connection
    SILENCE = "silence"
    #: stops reading too, so that the client cannot even write for long
    STALL = "stall"
    #: waits, then goes on as if nothing had been
    SLOW = "slow"
    #: bytes that are no SMTP reply
    GARBAGE = "garbage"
    #: a reply line that does not end
    OVERLONG = "overlong"
    #: keeps the mail, then closes the connection without a word
    ACCEPT_THEN_DISCONNECT = "accept-then-disconnect"
    #: keeps the mail, then says nothing any more
    ACCEPT_THEN_SILENCE = "accept-then-silence"


# These say that the server is older than EHLO (RFC 5321 section 4.1.4): then HELO works.
_EHLO_UNKNOWN = frozenset({500, 502})
_ONLY_AFTER_THE_DOT = frozenset({ActionKind.ACCEPT_THEN_DISCONNECT, ActionKind.ACCEPT_THEN_SILENCE})
_REPLY = re.compile(r"([2-5][0-9]{2})(?: (?:([245]\.\d{1,3}\.\d{1,3})(?: |\Z))?([^\x00-\x1f\x7f]*))?\Z")
_TIMES = re.compile(r"[1-9][0-9]{0,8}\Z", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?\Z", re.ASCII)
_HINT = "a code such as 450, disconnect, silence, stall, slow:SECONDS, garbage, overlong, accept-then-disconnect"

#: what the server says with a code when no text is given
_TEXTS = {
    421: ("4.3.2", "Service not available, closing the connection"),
    450: ("4.2.1", "Mailbox busy, try again later"),
    451: ("4.3.0", "Local error, try again later"),
    452: ("4.3.1", "Not enough storage, try again later"),
    454: ("4.7.0", "Not available for the moment"),
    500: ("5.5.2", "The command is not known"),
    501: ("5.5.4", "Syntax error in the parameters"),
    502: ("5.5.1", "The command is not implemented"),
    503: ("5.5.1", "Bad sequence of commands"),
    530: ("5.7.0", "Sign in first"),
    535: ("5.7.8", "User name, password or token is wrong"),
    550: ("5.1.1", "No such mailbox"),
    552: ("5.3.4", "The message is too big"),
    553: ("5.1.3", "This address is not allowed"),
    554: ("5.7.1", "The transaction failed"),
}


@dataclass(frozen=True, slots=True)
class Action:
    kind: ActionKind
    #: of a REPLY
    code: int = 0
    enhanced: str = ""
    text: str = ""
    #: of SLOW
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Action":
        reply = _REPLY.match(text)
        if reply is not None:
            enhanced, said = _TEXTS.get(int(reply[1]), ("", "As you asked"))
            if reply[2] or reply[3]:
                enhanced, said = reply[2] or "", reply[3] or ""
            return cls(ActionKind.REPLY, int(reply[1]), enhanced, said)
        word, colon, number = text.lower().partition(":")
        if word == ActionKind.SLOW:
            if not _SECONDS.match(number) or float(number) > MAX_SECONDS:
                raise InvalidSetting(f"{text!r} has no number of seconds", field="fail", hint="slow:5")
            return cls(ActionKind.SLOW, seconds=float(number))
        if colon or word not in set(ActionKind) - {ActionKind.REPLY}:
            raise InvalidSetting(f"{text!r} is not something that can go wrong", field="fail", hint=_HINT)
        return cls(ActionKind(word))


@dataclass(frozen=True, slots=True, init=False)
class Failure:
    """Failure("rcpt", "450") or Failure(Phase.RCPT, Action.parse("450"), times=2)."""

    phase: Phase
    action: Action
    #: how often, counted over all connections; None: every time
    times: int | None

    def __init__(self, phase: Phase | str, action: Action | str, times: int | None = None) -> None:
        chosen = read_phase(phase)
        meant = Action.parse(action) if isinstance(action, str) else action
        if meant.kind in _ONLY_AFTER_THE_DOT and chosen is not Phase.FINAL_DOT:
            raise InvalidSetting(f"{meant.kind} is for final_dot only", field="fail")
        if chosen is Phase.DATA and meant.code == 354:
            raise InvalidSetting("354 is how DATA is answered when all is well", field="fail")
        if times is not None and times < 1:
            raise InvalidSetting("a failure happens at least once", field="fail")
        put = object.__setattr__
        put(self, "phase", chosen)
        put(self, "action", meant)
        put(self, "times", times)


def read_phase(text: str) -> Phase:
    name = text.lower()
    phase = Phase.FINAL_DOT if name == "dot" else next((known for known in PHASES if known == name), None)
    if phase is None:
        raise InvalidSetting(
            f"{text!r} is not a phase in which something can fail", field="fail", hint=", ".join(PHASES)
        )
    return phase


def parse_failure(text: str) -> Failure:
    """`rcpt=450`, `final_dot=silence`, `mail:2=451 4.3.0 Later`."""
    where, equals, action = text.strip().partition("=")
    if not equals:
        raise InvalidSetting(f"{text!r} is not PHASE=ACTION", field="fail", hint="such as rcpt=450")
    phase, colon, times = where.strip().partition(":")
    if colon and not _TIMES.match(times):
        raise InvalidSetting(f"{times!r} is not how often", field="fail", hint="rcpt:2=450 fails twice")
    return Failure(phase, action.strip(), int(times) if colon else None)


def failure_of_name(name: str, allowed: Iterable[Phase]) -> Failure | None:
    """What the local part of an address, or of a user name, asks for; None for names that ask for nothing."""
    local = name.rpartition("@")[0] or name
    phase, dash, action = local.partition("+")[0].lower().partition("-")
    if not dash:
        return None
    if phase == "slow":
        phase, action = "rcpt", f"slow-{action}"
    try:
        failure = Failure(phase, re.sub(r"\Aslow-", "slow:", action))
    except InvalidSetting:
        # An ordinary name with a hyphen, such as rcpt-list or mary-ann.
        return None
    return failure if failure.phase in set(allowed) else None


class FailurePlan:
    """The failures that were asked for, with how often each is still due."""

    def __init__(self, failures: Iterable[Failure]) -> None:
        self._left: list[tuple[Failure, int | None]] = [(failure, failure.times) for failure in failures]

    def due(self, phase: Phase, *, helo: bool = False) -> list[Action]:
        """What goes wrong now: the waits, then the first thing that is more than a wait. Counts as happened."""
        actions = []
        for index, (failure, left) in enumerate(self._left):
            if failure.phase is not phase or left == 0 or (helo and failure.action.code in _EHLO_UNKNOWN):
                continue
            self._left[index] = (failure, None if left is None else left - 1)
            actions.append(failure.action)
            if failure.action.kind is not ActionKind.SLOW:
                break
        return actions


class Lie(StrEnum):
    """Ways of being no honest server that are not a failure of one phase."""

    #: clear text right behind the 220 of STARTTLS, as somebody in the middle would add it
    STARTTLS_INJECTION = "starttls-injection"
    #: PIPELINING is offered, and what arrives together with a command is thrown away
    DROP_PIPELINED = "drop-pipelined"
    #: a second reply behind that to the final dot: answers no longer fit their commands
    EXTRA_REPLY = "extra-reply"
    #: every octet in a packet of its own (legal, and no client may mind)
    TRICKLE = "trickle"
