"""Puts everything that a run needs into the cache folder; does nothing when it is there already."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import messages

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "bench"
HELPERS = ("fastsink", "delayproxy", "blast")
#: program → Debian package
PROGRAMS = {"node": "nodejs", "npm": "npm", "smtp-source": "postfix", "smtp-sink": "postfix", "cc": "gcc libc6-dev"}


class MissingProgramError(Exception):
    pass


def tool(name: str) -> str:
    found = _find(name)
    if found is None:
        raise MissingProgramError(f"{name} not found")
    return found


def _find(name: str) -> str | None:
    # Debian keeps Postfix's programs where only root's PATH looks.
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def prepare(more_programs: Mapping[str, str] | None = None) -> Path:
    """`more_programs` of one benchmark: like PROGRAMS."""
    CACHE.mkdir(parents=True, exist_ok=True)
    _check_programs({**PROGRAMS, **(more_programs or {})})
    messages.write_files(CACHE / "messages")
    for name in HELPERS:
        _compile(name)
    _install_peers()
    return CACHE


def _check_programs(programs: Mapping[str, str]) -> None:
    missing = [program for program in programs if _find(program) is None]
    if missing:
        packages = " ".join(dict.fromkeys(programs[program] for program in missing))
        raise MissingProgramError(f"{', '.join(missing)} not found; ./run bench installs what is missing: {packages}")


def _compile(name: str) -> None:
    source, program = HERE / "native" / f"{name}.c", CACHE / name
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return
    subprocess.run([tool("cc"), "-O2", "-w", "-o", str(program), str(source)], check=True)


def _install_peers() -> None:
    lock = (HERE / "peers" / "package-lock.json").read_bytes()
    folder, stamp = CACHE / "peers", CACHE / "peers.stamp"
    digest = hashlib.sha256(lock).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    print("installing nodemailer and smtp-server …", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / "peers" / name, folder / name)
    command = [tool("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True)
    stamp.write_text(digest)
