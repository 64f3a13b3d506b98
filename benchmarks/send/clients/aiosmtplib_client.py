"""aiosmtplib: it has no pool, so each of the sessions is a connection with one caller."""

import ssl

import aiosmtplib
import messages
from job import Job, Sample, Send, measure, run


def sender(session: aiosmtplib.SMTP, job: Job, ready: list[bytes]) -> Send:
    def send_ready(number: int):
        return session.sendmail(messages.SENDER, [messages.recipient(number)], ready[number % 500])

    def send_built(number: int):
        return session.send_message(messages.standard_library_message(number, large=job.large))

    return send_ready if job.ready else send_built


async def main(job: Job) -> Sample:
    # One context for all sessions: made for each, it would be most of the cost.
    context = ssl.create_default_context(cafile=job.authority) if job.authority else None
    options = {"start_tls": True, "tls_context": context, "username": job.username, "password": job.password}
    sessions = [
        aiosmtplib.SMTP(hostname=job.host, port=job.port, **(options if context else {"start_tls": False}))
        for _ in range(job.sessions)
    ]
    ready = messages.ready_messages(large=job.large, count=500) if job.ready else []
    for session in sessions:
        await session.connect()
    sample = await measure(job, [sender(session, job, ready) for session in sessions])
    for session in sessions:
        await session.quit()
    return sample


if __name__ == "__main__":
    run(Job.from_command_line(), main)
