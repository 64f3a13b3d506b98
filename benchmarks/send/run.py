"""./run bench send: how fast Mailwright sends, next to others on the same work, in the same run.

Exit code: 0 whatever the figures are (a busy machine is no defect), 1 when a client failed or did other work than the
rest; with --strict also 1 when a target is missed.
"""

import sys

from install import MissingProgramError, prepare
from program import Asking, arguments, print_machine
from questions import QUESTIONS


def main() -> int:
    options = arguments("send", __doc__, [question.name for question in QUESTIONS])
    try:
        cache = prepare()
    except MissingProgramError as missing:
        print(missing, file=sys.stderr)
        return 1
    print_machine(
        packages=("mailwright", "aiosmtplib", "uvloop", "pybase64"), others="nodemailer 10.6.0, smtp-server 3.21.6"
    )
    asking = Asking(options, cache)
    questions = [question for question in QUESTIONS if asking.wants(question.name)]
    asking.prove(questions)
    for question in questions:
        asking.ask(question)
    return asking.end()


if __name__ == "__main__":
    sys.exit(main())
