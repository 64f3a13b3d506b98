"""What a check of an account found: step by step, what worked, what did not, what to do."""

from dataclasses import dataclass
from enum import StrEnum

from mailwright.errors import SendError


class StepState(StrEnum):
    OK = "ok"
    #: it works, but somebody should know
    WARNING = "warning"
    FAILED = "failed"
    #: not reached, or not asked for
    SKIPPED = "skipped"


class CheckName(StrEnum):
    RESOLVE = "resolve"
    CONNECT = "connect"
    ENCRYPT = "encrypt"
    GREET = "greet"
    SIGN_IN = "sign_in"


@dataclass(frozen=True, slots=True)
class CheckStep:
    name: CheckName
    state: StepState
    detail: str
    hint: str = ""

    def to_json(self) -> dict[str, object]:
        return {"name": self.name.value, "state": self.state.value, "detail": self.detail, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class CheckReport:
    account: str
    server: str
    steps: tuple[CheckStep, ...]
    #: EHLO keywords with their parameters
    capabilities: tuple[str, ...] = ()
    #: what ended the check; None when everything worked
    error: SendError | None = None
    #: what is odd about the account itself, whatever the server said
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.error is None

    def to_json(self) -> dict[str, object]:
        return {
            "ok": self.ok,
            "account": self.account,
            "server": self.server,
            "steps": [step.to_json() for step in self.steps],
            "capabilities": list(self.capabilities),
            "warnings": list(self.warnings),
            "error": self.error.to_json() if self.error is not None else None,
        }
