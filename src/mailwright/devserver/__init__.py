"""The development mail server: catches every mail, delivers none, and fails on request.

async with DevServer(DevServerOptions(failures=(Failure("rcpt", "450"),))) as server:
    ...                             # send to server.host, server.port
    mails = await server.wait_for(1)
"""

from mailwright.devserver.caught import Caught
from mailwright.devserver.certificates import CertificateKind
from mailwright.devserver.failures import Action, ActionKind, Failure, Lie, parse_failure
from mailwright.devserver.options import DevServerOptions, parse_extension
from mailwright.devserver.server import DevServer
from mailwright.protocol.sasl.server import Users, read_users
from mailwright.protocol.smtp.server_types import Defect, Extension, ServerPolicy

__all__ = [
    "Action",
    "ActionKind",
    "Caught",
    "CertificateKind",
    "Defect",
    "DevServer",
    "DevServerOptions",
    "Extension",
    "Failure",
    "Lie",
    "ServerPolicy",
    "Users",
    "parse_extension",
    "parse_failure",
    "read_users",
]
