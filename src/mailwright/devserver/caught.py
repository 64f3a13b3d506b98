"""A mail that the development server has caught."""

from dataclasses import dataclass
from datetime import datetime

from mailwright.model.account import Mechanism
from mailwright.protocol.smtp.server_types import Defect, ReceivedEnvelope


@dataclass(frozen=True, slots=True)
class Caught:
    #: counts from 1 over the life of the server
    number: int
    received: datetime
    #: counts from 1; mails with the same number came over the same connection
    connection: int
    #: address and port of the client
    peer: str
    #: the name given with EHLO or HELO
    hello: str
    #: protocol version, such as TLSv1.3; empty without TLS
    tls: str
    #: who signed in; empty without sign-in
    user: str
    mechanism: Mechanism | None
    envelope: ReceivedEnvelope
    #: the message as it came, its doubled dots undone, nothing added
    raw: bytes
    defects: tuple[Defect, ...]
    #: how many BDAT chunks it came in; 0 when it came with DATA
    chunks: int

    def __repr__(self) -> str:
        to = ", ".join(self.envelope.addresses)
        return f"Caught({self.number}: <{self.envelope.sender.address}> to <{to}>, {len(self.raw)} bytes)"
