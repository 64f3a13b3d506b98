"""Mailwright's composer alone: from the parts to a validated Message to bytes."""

import secrets
from datetime import UTC, datetime

import mailwright_client
from job import Job, Sample, answer, measure_blocking

from mailwright.mime.compose import compose


def main(job: Job) -> Sample:
    account = mailwright_client.account(job.changed(port=25))

    def work(number: int) -> None:
        message = mailwright_client.message(number, large=job.large)
        compose(message, account, now=datetime.now(UTC), token=secrets.token_hex(12))

    return measure_blocking(job, work)


if __name__ == "__main__":
    answer(main(Job.from_command_line()))
