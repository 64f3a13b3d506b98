"""The server side of SMTP as a conversation without input and output.

    conversation.receive(bytes_from_the_client)
    while (event := conversation.next_event()) is not None:
        conversation.proceed()                    do what the policy says, or
        conversation.answer(Answer(450, …))       say something else, or
        conversation.answer_raw(b"…")             say anything at all
    write(conversation.take_output())

Every event waits for one of the three: so a server that wants to be slow, silent or wrong at any point of the
dialogue needs no help from in here. Commands that cannot be obeyed are answered without an event.
"""

import re
from collections.abc import Callable, Mapping

from mailwright.model.account import Mechanism
from mailwright.protocol.sasl.server import Circumstances, Verdict
from mailwright.protocol.smtp.server_lines import Arrived
from mailwright.protocol.smtp.server_signin import SignInDialogue
from mailwright.protocol.smtp.server_transaction import Transactions
from mailwright.protocol.smtp.server_types import (
    Answer,
    CloseReason,
    Connected,
    Event,
    Extension,
    Hello,
    Outcome,
    QuitAsked,
    Refused,
    ResetAsked,
    ServerPolicy,
    SignInEnded,
    StartTls,
    Step,
)

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_NOT_UNDERSTOOD = frozenset({500, 502})
# RFC 3207 section 4, and what can do no harm.
_WITHOUT_TLS = frozenset({"EHLO", "HELO", "STARTTLS", "NOOP", "QUIT", "RSET", "HELP"})


class _Starved(Exception):
    """More bytes are needed."""


class ServerConversation:
    def __init__(
        self, policy: ServerPolicy, circumstances: Callable[[], Circumstances], *, encrypted: bool = False
    ) -> None:
        self._policy = policy
        self._circumstances = circumstances
        self._mechanisms = policy.users.usable(policy.mechanisms)
        self._in = Arrived()
        self._out = bytearray()
        self._greeted = False
        self._awaits_tls = False
        self._unsettled: Step | None = None
        self._mistakes = 0
        self._transactions = Transactions(policy)
        self._sign_in: SignInDialogue | None = None
        self.encrypted = encrypted
        self.hello: Hello | None = None
        #: who signed in; empty before
        self.user = ""
        self.mechanism: Mechanism | None = None
        #: set when the connection is to be closed once the output is written
        self.close_reason: CloseReason | None = None
        self._commands: Mapping[str, Callable[[str], Outcome]] = {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._transactions.data,
            "BDAT": self._bdat,
            "RSET": self._rset,
            "NOOP": _noop,
            "HELP": _help,
            "VRFY": _vrfy,
            "EXPN": _expn,
            "QUIT": self._quit,
        }

    # ── bytes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, data: bytes) -> None:
        self._in.add(data)

    def drop_input(self) -> None:
        """Forget what has arrived and was not looked at."""
        self._in.clear()

    def take_output(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out

    # ── events ─────────────────────────────────────────────────────────────────────────────────────────────────

    def next_event(self) -> Event | None:
        """The next thing to settle; None when more bytes are needed, or when all is over."""
        if self._unsettled is not None:
            raise RuntimeError("the event before this one is not settled")
        while self.close_reason is None and not self._awaits_tls:
            try:
                outcome = self._work()
            except _Starved:
                return None
            except Refused as refused:
                self._refuse(refused)
                continue
            if isinstance(outcome, Step):
                self._unsettled = outcome
                return outcome.event
            if outcome is not None:
                self._say(outcome)
        return None

    def proceed(self) -> None:
        """Do what the policy says."""
        step = self._settle()
        if step.answer is not None:
            self._say(step.answer)
        step.effect()

    def answer(self, answer: Answer) -> None:
        """Say this instead. The command has no effect, whatever the code."""
        self._settle().instead()
        self._say(answer)
        if answer.code == 421:
            self.close_reason = CloseReason.REFUSED

    def answer_raw(self, raw: bytes) -> None:
        """Write these bytes instead of an answer."""
        self._settle().instead()
        self._out += raw

    def tls_established(self) -> None:
        """RFC 3207 section 4.2: everything said before is forgotten."""
        self._awaits_tls = False
        self.encrypted = True
        self.hello = None
        self.user = ""
        self.mechanism = None
        self._in.clear()
        self._transactions.forget()

    def _settle(self) -> Step:
        if self._unsettled is None:
            raise RuntimeError("there is no event to settle")
        step, self._unsettled = self._unsettled, None
        return step

    def _work(self) -> Outcome:
        if not self._greeted:
            greeting = Answer(220, "", f"{self._policy.hostname} ESMTP Mailwright development server")
            return Step(Connected(), greeting, self._begin, self._begin)
        if self._transactions.reads_content:
            if not self._in:
                raise _Starved
            return self._transactions.read(self._in)
        long = self._sign_in is not None or self._in.begins_with(b"AUTH ")
        line = self._in.take_line(self._policy.max_auth_line if long else self._policy.max_command)
        if line is None:
            raise _Starved
        return self._obey(line) if self._sign_in is None else self._respond(self._sign_in, line)

    def _begin(self) -> None:
        self._greeted = True

    # ── answers ────────────────────────────────────────────────────────────────────────────────────────────────

    def _say(self, answer: Answer) -> None:
        with_codes = answer.enhanced and Extension.ENHANCED_STATUS_CODES in self._policy.extensions
        prefix = f"{answer.enhanced} " if with_codes else ""
        *lines, last = _CONTROL.sub("?", answer.text).split("\n")
        for line in lines:
            self._out += f"{answer.code}-{prefix}{line}\r\n".encode(errors="replace")
        self._out += f"{answer.code} {prefix}{last}\r\n".encode(errors="replace")

    def _refuse(self, refused: Refused) -> None:
        if refused.answer.code in _NOT_UNDERSTOOD:
            self._mistakes += 1
            if self._mistakes >= self._policy.max_mistakes:
                refused = Refused.closing(CloseReason.TOO_MANY_MISTAKES)
        self._say(refused.answer)
        self.close_reason = refused.closes

    # ── commands ───────────────────────────────────────────────────────────────────────────────────────────────

    def _obey(self, line: bytes) -> Outcome:
        try:
            verb, _, text = line.decode().partition(" ")
        except UnicodeDecodeError:
            raise Refused(500, "5.5.2", "The command is not UTF-8") from None
        if _CONTROL.search(text):
            raise Refused(500, "5.5.2", "The command has control characters")
        obey = self._commands.get(verb.upper())
        if obey is None:
            raise Refused(500, "5.5.2", "The command is not known")
        if self._policy.require_tls and not self.encrypted and verb.upper() not in _WITHOUT_TLS:
            raise Refused(530, "5.7.0", "Must issue a STARTTLS command first")
        return obey(text)

    def _offered(self) -> list[Extension]:
        """The extensions that may be used now: none before EHLO (RFC 5321 section 4.1.1.1)."""
        if self.hello is None or not self.hello.extended:
            return []
        return self._extensions()

    def _extensions(self) -> list[Extension]:
        hidden = set()
        if self.encrypted:
            hidden.add(Extension.STARTTLS)
        if not self._mechanisms or (self._policy.auth_needs_tls and not self.encrypted):
            hidden.add(Extension.AUTH)
        return sorted(self._policy.extensions - hidden)

    def _ehlo(self, text: str) -> Step:
        keywords = map(self._keyword, self._extensions())
        return self._hello(Hello(text.strip(), extended=True), "\n".join((self._policy.hostname, *keywords)))

    def _helo(self, text: str) -> Step:
        return self._hello(Hello(text.strip(), extended=False), self._policy.hostname)

    def _hello(self, hello: Hello, text: str) -> Step:
        if not hello.name:
            raise Refused(501, "5.5.4", "Syntax: EHLO name")

        def effect() -> None:
            # RFC 5321 section 4.1.4: EHLO in the middle of a transaction clears it.
            self._transactions.forget()
            self.hello = hello

        return Step(hello, Answer(250, "", text), effect)

    def _keyword(self, extension: Extension) -> str:
        if extension is Extension.SIZE:
            return f"SIZE {self._policy.max_size}"
        if extension is Extension.AUTH:
            return " ".join(("AUTH", *self._mechanisms))
        return extension

    def _starttls(self, text: str) -> Step:
        if text:
            raise Refused(501, "5.5.4", "STARTTLS takes no parameters")
        if self.encrypted:
            raise Refused(503, "5.5.1", "The connection is encrypted already")
        if Extension.STARTTLS not in self._policy.extensions:
            raise Refused(502, "5.5.1", "STARTTLS is not offered")
        if self._in:
            raise Refused.closing(CloseReason.BYTES_BEHIND_STARTTLS)

        def effect() -> None:
            self._awaits_tls = True

        return Step(StartTls(), Answer(220, "2.0.0", "Ready to start TLS"), effect)

    def _mail(self, text: str) -> Step:
        if self.hello is None:
            raise Refused(503, "5.5.1", "Say EHLO first")
        if self._policy.require_sign_in and not self.user:
            raise Refused(530, "5.7.0", "Sign in first")
        return self._transactions.mail(text, self._offered())

    def _rcpt(self, text: str) -> Step:
        return self._transactions.rcpt(text, self._offered())

    def _bdat(self, text: str) -> Outcome:
        if Extension.CHUNKING not in self._policy.extensions:
            raise Refused(502, "5.5.1", "BDAT is not offered")
        return self._transactions.bdat(text)

    def _rset(self, text: str) -> Step:
        del text
        return Step(ResetAsked(), Answer(250, "2.0.0", "Forgotten"), self._transactions.forget)

    def _quit(self, text: str) -> Step:
        del text

        def effect() -> None:
            self.close_reason = CloseReason.QUIT

        return Step(QuitAsked(), Answer(221, "2.0.0", "Bye"), effect)

    # ── signing in ─────────────────────────────────────────────────────────────────────────────────────────────

    def _auth(self, text: str) -> Step | None:
        word, _, initial = text.partition(" ")
        if self.user or self._transactions.open:
            raise Refused(503, "5.5.1", "AUTH comes once, and not within a mail transaction")
        if self._policy.auth_needs_tls and not self.encrypted:
            raise Refused(538, "5.7.11", "Encryption is required to sign in")
        if Extension.AUTH not in self._offered():
            raise Refused(503, "5.5.1", "AUTH is not offered, or EHLO was not said")
        if word.upper() not in self._mechanisms:
            raise Refused(504, "5.5.4", "This mechanism is not offered")
        dialogue = SignInDialogue(Mechanism(word.upper()), self._policy.users, self._circumstances())
        return self._go_on(dialogue, dialogue.begin(initial))

    def _respond(self, dialogue: SignInDialogue, line: bytes) -> Step | None:
        # Whatever raises here ends the exchange; a challenge takes it up again.
        self._sign_in = None
        return self._go_on(dialogue, dialogue.respond(line))

    def _go_on(self, dialogue: SignInDialogue, outcome: bytes | Verdict) -> Step | None:
        if not isinstance(outcome, Verdict):
            self._sign_in = dialogue
            self._out += outcome
            return None

        def effect() -> None:
            if outcome.accepted:
                self.user, self.mechanism = outcome.user, dialogue.mechanism

        return Step(SignInEnded(dialogue.mechanism, outcome.user), dialogue.judge(outcome), effect)


def _noop(text: str) -> Answer:
    del text
    return Answer(250, "2.0.0", "Ok")


def _help(text: str) -> Answer:
    del text
    return Answer(214, "2.0.0", "This server catches every mail and delivers none\nRFC 5321")


def _vrfy(text: str) -> Answer:
    if not text:
        raise Refused(501, "5.5.4", "Syntax: VRFY address")
    # RFC 5321 section 7.3: a server that does not tell says so with 252.
    return Answer(252, "2.5.2", "Every mail is taken, whoever it is for")


def _expn(text: str) -> Answer:
    del text
    raise Refused(502, "5.5.1", "EXPN is not done here")
