"""The standard library, as most scripts use it: one connection, EmailMessage, send_message."""

import smtplib

import messages
from job import Job, Sample, answer, measure_blocking


def main(job: Job) -> Sample:
    with smtplib.SMTP(job.host, job.port) as session:
        return measure_blocking(
            job, lambda number: session.send_message(messages.standard_library_message(number, large=job.large))
        )


if __name__ == "__main__":
    answer(main(Job.from_command_line()))
