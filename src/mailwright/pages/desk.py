"""What the public pages need from the service behind them. The connector fits it by shape."""

from typing import Protocol


class Leaving(Protocol):
    """Somebody who may leave a list."""

    @property
    def address(self) -> str: ...
    @property
    def list(self) -> str:
        """Empty: all mail of the workspace."""

    @property
    def left(self) -> bool:
        """They have left it."""


class PublicDesk(Protocol):
    async def describe_unsubscribe(self, token: str) -> Leaving:
        """Whom the link is for, and nothing else happens. NotFound for a link that we did not make."""

    async def unsubscribe(self, token: str) -> Leaving:
        """Puts the address on the suppression list; once more changes nothing. NotFound as above."""
