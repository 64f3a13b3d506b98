"""All use cases for one access."""

from mailwright.connector.offices.accounts import AccountsOffice
from mailwright.connector.offices.audit import AuditOffice
from mailwright.connector.offices.events import EventsOffice
from mailwright.connector.offices.messages import MessagesOffice
from mailwright.connector.offices.parts import Parts
from mailwright.connector.offices.suppressions import SuppressionsOffice
from mailwright.connector.offices.tokens import TokensOffice
from mailwright.connector.offices.webhooks import WebhooksOffice
from mailwright.connector.offices.workspaces import WorkspacesOffice
from mailwright.model.access import Access


class LocalOffice:
    """The `Office` of calls.py, over the parts of this process."""

    def __init__(self, parts: Parts, access: Access) -> None:
        self.accounts = AccountsOffice(parts, access)
        self.messages = MessagesOffice(parts, access)
        self.events = EventsOffice(parts, access)
        self.webhooks = WebhooksOffice(parts, access)
        self.suppressions = SuppressionsOffice(parts, access)
        self.workspaces = WorkspacesOffice(parts, access)
        self.tokens = TokensOffice(parts, access)
        self.audit = AuditOffice(parts, access)
