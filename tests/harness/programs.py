"""Where the servers' programs are."""

import shutil

# Not on the PATH of an ordinary Debian user.
_OF_ADMINISTRATORS = "/usr/sbin:/sbin:/usr/local/sbin"


def program(name: str) -> str:
    """Its path; empty when it is not installed."""
    return shutil.which(name) or shutil.which(name, path=_OF_ADMINISTRATORS) or ""
