"""The calls of Mailwright to a service elsewhere, over HTTP: the same ones, with the same results and errors."""

from mailwright.client.client import MailwrightClient
from mailwright.client.sync import SyncMailwrightClient

__all__ = ["MailwrightClient", "SyncMailwrightClient"]
