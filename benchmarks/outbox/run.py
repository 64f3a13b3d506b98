"""./run bench outbox: what the durable outbox costs and carries, next to others on the same work, in the same run.

Exit code: 0 whatever the figures are (a busy machine is no defect), 1 when a client failed or did other work than the
rest; with --strict also 1 when a target is missed.
"""

import sys

import idle
from install import MissingProgramError, prepare
from peers import install_peers, peer_versions
from postgres import find_postgres
from program import Asking, arguments, print_machine
from questions import BATCH, QUESTIONS, RESEND, SEND, UNMARKED
from race import Result


def main() -> int:
    options = arguments("outbox", __doc__, [*(question.name for question in QUESTIONS), idle.NAME])
    try:
        cache = prepare({"wrk": "wrk"})
        find_postgres()
    except MissingProgramError as missing:
        print(missing, file=sys.stderr)
        return 1
    install_peers()
    print_machine(packages=("mailwright", "uvloop", "litestar"), others=f"nodemailer 10.6.0, {peer_versions()}")
    asking = Asking(options, cache)
    questions = [question for question in QUESTIONS if asking.wants(question.name)]
    asking.prove([question for question in questions if question is SEND])
    for question in questions:
        asking.ask(question, _cost_of_marks if question is SEND else None)
    if asking.wants(idle.NAME):
        worked, met = idle.ask(cache, quick=options.quick)
        asking.sound, asking.met = asking.sound and worked, asking.met and met
    return asking.end()


def _cost_of_marks(results: dict[str, Result]) -> None:
    """One mark for each session at a time, made before its dot; made early; none."""
    without = results[UNMARKED]
    for name, how in ((BATCH, "before each final dot"), (RESEND, "early, for policy resend")):
        marked = results[name]
        if marked.samples and without.samples:
            print(
                f"        a mark {how}: {marked.rate / without.rate:.2f} of the rate without marks, "
                f"{marked.cpu - without.cpu:+,.1f} µs CPU for each message"
            )


if __name__ == "__main__":
    sys.exit(main())
