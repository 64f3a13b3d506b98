"""What a command ends with. Scripts rely on these numbers; they do not change."""

from enum import IntEnum

from mailwright.errors import (
    EgressFailed,
    InvalidInput,
    LimitExceeded,
    MailwrightError,
    NotAllowed,
    PartlySent,
    SendError,
    Uncertain,
)
from mailwright.model.outbox import MessageState


class ExitCode(IntEnum):
    #: everything was done
    OK = 0
    #: something that should not happen
    ERROR = 1
    #: the command line or the input is wrong; nothing was done
    USAGE = 2
    #: surely not sent, and trying again as it is will not help
    NOT_SENT = 3
    #: surely not sent; trying again later may help
    TRY_AGAIN = 4
    #: handed over, but the server's answer was not seen: it may or may not be sent
    UNCERTAIN = 5
    #: some recipients were refused, the others have the message
    PARTLY_SENT = 6
    #: the service cannot be reached, or has too much to do; trying again later may help
    UNAVAILABLE = 7
    #: the token is missing, not valid, or does not allow this
    NOT_ALLOWED = 8
    #: of several things that were asked for, some were done and others were not
    PARTLY_DONE = 9
    #: interrupted from the keyboard
    INTERRUPTED = 130


def exit_code_of(error: MailwrightError) -> ExitCode:
    match error:
        case Uncertain():
            return ExitCode.UNCERTAIN
        case PartlySent():
            return ExitCode.PARTLY_SENT
        case SendError():
            return ExitCode.TRY_AGAIN if error.temporary else ExitCode.NOT_SENT
        case InvalidInput():
            return ExitCode.USAGE
        case EgressFailed() | LimitExceeded():
            return ExitCode.UNAVAILABLE
        case NotAllowed():
            return ExitCode.NOT_ALLOWED
        case _:
            return ExitCode.ERROR


def exit_code_of_state(state: MessageState) -> ExitCode:
    """For commands that wait for a message."""
    match state:
        case MessageState.SENT:
            return ExitCode.OK
        case MessageState.PARTLY_SENT:
            return ExitCode.PARTLY_SENT
        case MessageState.UNCERTAIN:
            return ExitCode.UNCERTAIN
        case MessageState.QUEUED | MessageState.SENDING:
            return ExitCode.TRY_AGAIN
        case _:
            return ExitCode.NOT_SENT
