"""The parts of the service, wired together by `service`."""

from dataclasses import dataclass, field
from typing import NamedTuple

from mailwright.connector.accept import Acceptance
from mailwright.connector.courier import Courier
from mailwright.connector.directory import Directory
from mailwright.connector.unsubscribe import UnsubscribeLinks
from mailwright.files.body_store import BodyStore
from mailwright.model.access import ApiToken
from mailwright.settings import Settings
from mailwright.store.database import Database
from mailwright.store.keyring import Keyring
from mailwright.store.secret_box import SecretBox
from mailwright.transport.dial import Dialler
from mailwright.transport.egress import Egress
from mailwright.transport.tls import TlsContexts
from mailwright.work.wake import Wake


class KnownToken(NamedTuple):
    token: ApiToken
    read_at: float


@dataclass(frozen=True, slots=True)
class Parts:
    settings: Settings
    database: Database
    keyring: Keyring
    secrets: SecretBox
    bodies: BodyStore
    directory: Directory
    acceptance: Acceptance
    links: UnsubscribeLinks
    courier: Courier
    wake: Wake
    dialler: Dialler
    contexts: TlsContexts
    egress: Egress
    ehlo_name: str
    #: by hash, as this node has read them: a token that is revoked here is forgotten here at once
    known_tokens: dict[bytes, KnownToken] = field(default_factory=dict)
