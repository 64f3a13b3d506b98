"""Where the servers' programs are."""

import shutil
from pathlib import Path

# Not on the PATH of an ordinary Debian user.
_OF_ADMINISTRATORS = "/usr/sbin:/sbin:/usr/local/sbin"


def program(name: str) -> str:
    """Its path; empty when it is not installed."""
    return shutil.which(name) or shutil.which(name, path=_OF_ADMINISTRATORS) or ""


def postgres_folder() -> Path | None:
    """Where `initdb` and `postgres` of one version are: that of the PATH, or the newest of Debian's, never on it."""
    of_debian = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    newest_first = sorted(of_debian, key=lambda folder: int(folder.parent.name), reverse=True)
    on_the_path = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    for folder in (*on_the_path, *newest_first):
        if all((folder / name).exists() for name in ("initdb", "postgres")):
            return folder
    return None
