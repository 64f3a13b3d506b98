"""Many messages by one call: how far it is and what came of each."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class BulkState(StrEnum):
    ACCEPTING = "accepting"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One line of the call. Either a message id or an error, never both."""

    index: int
    message: str = ""
    error_code: str = ""
    error: str = ""
    field: str = ""
    #: id of the job it belongs to
    job: str = ""


@dataclass(frozen=True, slots=True)
class BulkJob:
    id: str
    workspace: str
    account: str
    state: BulkState
    created_at: datetime
    total: int
    accepted: int
    refused: int
    #: accepted messages that have ended, by the name of their state
    ended: dict[str, int]
