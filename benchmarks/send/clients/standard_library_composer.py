"""EmailMessage and as_bytes, the way the standard library makes a message."""

import messages
from job import Job, Sample, answer, measure_blocking


def main(job: Job) -> Sample:
    return measure_blocking(job, lambda number: messages.standard_library_message(number, large=job.large).as_bytes())


if __name__ == "__main__":
    answer(main(Job.from_command_line()))
