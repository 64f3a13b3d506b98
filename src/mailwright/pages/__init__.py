"""Public pages, without sign-in: what the links in mails lead to."""

from mailwright.pages.desk import PublicDesk
from mailwright.pages.unsubscribe import unsubscribe_handlers

__all__ = ["PublicDesk", "unsubscribe_handlers"]
