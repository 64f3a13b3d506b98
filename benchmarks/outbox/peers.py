"""The other queues and FastAPI, in a Python environment of their own: the project depends on none of them."""

import hashlib
import subprocess
import sys
from pathlib import Path

from install import CACHE

HERE = Path(__file__).parent
LOCK = HERE / "peers" / "requirements.txt"
FOLDER = CACHE / "queues"
PYTHON = FOLDER / "bin" / "python"
PACKAGES = FOLDER / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def install_peers() -> None:
    """Pinned, with hashes. Does nothing when it is there already."""
    stamp, wanted = FOLDER / ".wanted", hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("installing Procrastinate, DBOS, pgqueuer and FastAPI …", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
    stamp.write_text(wanted)


def peer_versions() -> str:
    names = ("procrastinate", "dbos", "pgqueuer", "fastapi")
    lines = (line.split()[0] for line in LOCK.read_text().splitlines() if line.startswith(names))
    return ", ".join(line.replace("==", " ") for line in lines)
