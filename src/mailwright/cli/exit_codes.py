"""What a command ends with. Scripts rely on these numbers; they do not change."""

from enum import IntEnum

from mailwright.errors import InvalidInput, MailwrightError, PartlySent, SendError, Uncertain


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
        case _:
            return ExitCode.ERROR
