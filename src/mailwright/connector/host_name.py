"""What this host calls itself."""

import socket


def full_host_name() -> str:
    """This host's name where it is a full one; EHLO with half a name is refused by many servers."""
    name = socket.gethostname()
    return (
        name if "." in name.strip(".") and name.replace("-", "").replace(".", "").isalnum() and name.isascii() else ""
    )
