"""./run bench send: how fast Mailwright sends, next to others on the same work, in the same run.

Exit code: 0 whatever the figures are (a busy machine is no defect), 1 when a client failed or did other work than the
rest; with --strict also 1 when a target is missed.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version

from install import MissingProgramError, prepare, tool
from proof import prove_same_work
from questions import QUESTIONS
from race import run_rounds
from report import print_doubts, print_table, print_targets


def arguments() -> argparse.Namespace:
    names = [question.name for question in QUESTIONS]
    parser = argparse.ArgumentParser(
        prog="./run bench send", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of every client (3; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="under a minute: shows that all works, judges nothing")
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}; may be repeated"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    options = parser.parse_args()
    if options.strict and (options.quick or (options.rounds or 3) < 3):
        parser.error("--strict needs three rounds without --quick: shorter runs judge nothing")
    return options


def main() -> int:
    options = arguments()
    # A stopped benchmark stops its servers: SystemExit runs every `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rounds = options.rounds or (1 if options.quick else 3)
    judge = not options.quick and rounds >= 3
    started = time.monotonic()
    try:
        cache = prepare()
    except MissingProgramError as missing:
        print(missing, file=sys.stderr)
        return 1
    print_machine()
    questions = [question for question in QUESTIONS if not options.only or question.name in options.only]
    sound = prove_same_work(questions, cache)
    met = True
    for question in questions:
        print(f"\n{question.name}: {question.title}")
        results = run_rounds(question, cache, rounds, options.quick, note)
        note("")
        print_table(question, results)
        print_doubts(results)
        met = print_targets(question, results, judge=judge) and met
        sound = sound and not any(result.failure for result in results.values())
    print(f"\n{rounds} round{'s' if rounds > 1 else ''}, {time.monotonic() - started:.0f} s.")
    if not judge:
        print("No verdicts: that takes three rounds without --quick. In short ones node is not warm yet.")
    return 0 if sound and (met or not options.strict) else 1


def note(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def print_machine() -> None:
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before it")
    node = subprocess.run([tool("node"), "--version"], check=True, capture_output=True, text=True).stdout.strip()
    postfix = installed_postfix()
    print(
        f"Python {platform.python_version()}, node {node}, postfix {postfix}, nodemailer 10.6.0, smtp-server 3.21.6, "
        + ", ".join(f"{name} {installed(name)}" for name in ("mailwright", "aiosmtplib", "uvloop", "pybase64"))
    )


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def installed_postfix() -> str:
    shown = subprocess.run([tool("postconf"), "-dh", "mail_version"], check=False, capture_output=True, text=True)
    return shown.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
