"""What the program of each benchmark does: asks its questions in turn, and prints what came of them."""

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from install import tool
from proof import prove_same_work
from race import Question, Result, run_rounds
from report import print_doubts, print_table, print_targets


def arguments(name: str, sentence: str, questions: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"./run bench {name}", description=sentence, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of every client (3; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="a short run: shows that all works, judges nothing")
    parser.add_argument(
        "--only",
        action="append",
        choices=questions,
        metavar="NAME",
        help=f"one of {', '.join(questions)}; may be repeated",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    options = parser.parse_args()
    if options.strict and (options.quick or (options.rounds or 3) < 3):
        parser.error("--strict needs three rounds without --quick: shorter runs judge nothing")
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.judge = not options.quick and options.rounds >= 3
    # A stopped benchmark stops its servers: SystemExit runs every `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return options


class Asking:
    """One run: whether everything worked, and whether all targets were met."""

    def __init__(self, options: argparse.Namespace, cache: Path) -> None:
        self.sound = True
        self.met = True
        self._options = options
        self._cache = cache
        self._started = time.monotonic()

    def wants(self, name: str) -> bool:
        return not self._options.only or name in self._options.only

    def prove(self, questions: Sequence[Question]) -> None:
        self.sound = prove_same_work(questions, self._cache) and self.sound

    def ask(self, question: Question, remark: Callable[[dict[str, Result]], None] | None = None) -> None:
        """`remark` prints what else there is to say about the results."""
        print(f"\n{question.name}: {question.title}")
        options = self._options
        results = run_rounds(question, self._cache, options.rounds, options.quick, _note)
        _note("")
        print_table(question, results)
        print_doubts(results)
        if remark is not None:
            remark(results)
        self.met = print_targets(question, results, judge=options.judge) and self.met
        self.sound = self.sound and not any(result.failure for result in results.values())

    def end(self) -> int:
        rounds = self._options.rounds
        print(f"\n{rounds} round{'s' if rounds > 1 else ''}, {time.monotonic() - self._started:.0f} s.")
        if not self._options.judge:
            print("No verdicts: that takes three rounds without --quick. In short ones node is not warm yet.")
        return 0 if self.sound and (self.met or not self._options.strict) else 1


def _note(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def print_machine(*, packages: Sequence[str], others: str) -> None:
    """`others`: programs and packages that are not in our own Python environment, with their versions."""
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before it")
    node = subprocess.run([tool("node"), "--version"], check=True, capture_output=True, text=True).stdout.strip()
    print(
        f"Python {platform.python_version()}, node {node}, postfix {_postfix()}, {others}, "
        + ", ".join(f"{name} {_installed(name)}" for name in packages)
    )


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _postfix() -> str:
    shown = subprocess.run([tool("postconf"), "-dh", "mail_version"], check=False, capture_output=True, text=True)
    return shown.stdout.strip() or "unknown"
