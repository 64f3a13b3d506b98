"""What the API needs from the service behind it. The connector fits it by shape."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mailwright.connector.calls import Office
from mailwright.model.access import Access


class Measure(Protocol):
    """One metric with its values."""

    @property
    def name(self) -> str:
        """In the manner of Prometheus, such as `mailwright_messages`; a counter without `_total`."""

    @property
    def kind(self) -> str:
        """`counter` or `gauge`."""

    @property
    def help(self) -> str: ...
    @property
    def samples(self) -> Sequence[tuple[Mapping[str, str], float]]:
        """Labels and value; every sample of a metric has the same labels."""


class Desk(Protocol):
    async def authenticate(self, token: str) -> Access:
        """Unauthenticated for whatever is no valid token. `workspace` is empty where the token is for all of them."""

    def office(self, access: Access) -> Office:
        """The calls for this access, in its workspace. One that does not exist shows at the first call: NotFound."""

    async def readiness(self) -> Mapping[str, str]:
        """Each part with the reason why it is not ready, empty when it is. Shown to anybody: no names, no secrets."""

    async def metrics(self) -> Sequence[Measure]: ...
