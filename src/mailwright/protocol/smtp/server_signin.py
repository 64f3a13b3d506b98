"""AUTH (RFC 4954): the lines around a SASL exchange."""

from base64 import b64encode

from mailwright.model.account import Mechanism
from mailwright.protocol.sasl import server as sasl
from mailwright.protocol.smtp.server_types import Answer, Refused


class SignInDialogue:
    def __init__(self, mechanism: Mechanism, users: sasl.Users, circumstances: sasl.Circumstances) -> None:
        self.mechanism = mechanism
        self._exchange = sasl.begin(mechanism, users, circumstances)

    def begin(self, initial: str) -> bytes | sasl.Verdict:
        """The first challenge as it stands on the wire, or the end. `initial` is empty when there was none."""
        challenge = next(self._exchange)
        if not initial:
            return _wire(challenge)
        if self.mechanism in sasl.SERVER_FIRST:
            raise Refused(501, "5.7.0", f"{self.mechanism} takes no initial response")
        # RFC 4954 section 4: "=" is the empty initial response.
        return self.respond(b"" if initial == "=" else initial.encode())

    def respond(self, line: bytes) -> bytes | sasl.Verdict:
        if line == b"*":
            raise Refused(501, "5.7.0", "The sign-in was called off")
        response = sasl.decode_response(line)
        if response is None:
            raise Refused(501, "5.5.2", "This is no base64")
        try:
            return _wire(self._exchange.send(response))
        except StopIteration as stop:
            verdict: sasl.Verdict = stop.value
            return verdict

    def judge(self, verdict: sasl.Verdict) -> Answer:
        if verdict.accepted:
            return Answer(235, "2.7.0", "Signed in")
        if verdict.malformed:
            return Answer(501, "5.5.2", f"This is no {self.mechanism} message")
        return Answer(535, "5.7.8", "User name, password or token is wrong")


def _wire(challenge: bytes) -> bytes:
    return b"334 " + b64encode(challenge) + b"\r\n"
