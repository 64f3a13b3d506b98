"""Use cases, and the only place where the parts are wired together."""

from mailwright.connector.mailwright import Mailwright
from mailwright.connector.sync import SyncMailwright

__all__ = ["Mailwright", "SyncMailwright"]
