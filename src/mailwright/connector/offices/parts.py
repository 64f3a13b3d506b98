"""The parts of the service, wired together by `service`."""

from dataclasses import dataclass

from mailwright.connector.accept import Acceptance
from mailwright.connector.courier import Courier
from mailwright.connector.directory import Directory
from mailwright.connector.unsubscribe import UnsubscribeLinks
from mailwright.files.body_store import BodyStore
from mailwright.settings import Settings
from mailwright.store.database import Database
from mailwright.store.keyring import Keyring
from mailwright.store.secret_box import SecretBox
from mailwright.transport.dial import Dialler
from mailwright.transport.egress import Egress
from mailwright.transport.tls import TlsContexts
from mailwright.work.wake import Wake


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
