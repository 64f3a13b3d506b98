"""Mailwright through its public API: 64 callers, one account with a pool of sessions."""

from pathlib import Path

import messages
from job import Job, Sample, Send, measure, run

from mailwright import Account, Attachment, Mailwright, Message, Outgoing, PoolLimits
from mailwright.mime.prebuilt import prebuilt
from mailwright.model.address_syntax import parse_address


def account(job: Job) -> Account:
    pool = PoolLimits(sessions=job.sessions, messages_per_session=100_000_000)
    if job.authority:
        outgoing = Outgoing(
            job.host,
            job.port,
            security="starttls",
            username=job.username,
            password=job.password,
            ca_certificates=Path(job.authority).read_text(),
            pool=pool,
        )
    else:
        outgoing = Outgoing(job.host, job.port, security="none", pool=pool)
    return Account(f"{messages.SENDER_NAME} <{messages.SENDER}>", outgoing)


def message(number: int, *, large: bool) -> Message:
    return Message(
        to=f"{messages.RECEIVER_NAME} <{messages.recipient(number)}>",
        subject=f"{messages.SUBJECT} {number}",
        text=messages.text(number),
        html=messages.html(number),
        headers={"X-Token": messages.reference(number)},
        attachments=[Attachment(messages.FILENAME, messages.attachment(number), "application/pdf")] if large else None,
    )


def sender(mail: Mailwright, job: Job) -> Send:
    our = account(job)
    if not job.ready:
        return lambda number: mail.send(our, message(number, large=job.large))
    ready = messages.ready_messages(large=job.large, count=500)
    sent_by = parse_address(messages.SENDER)

    def send(number: int):
        to = parse_address(messages.recipient(number))
        return mail.send(our, prebuilt(ready[number % 500], sender=sent_by, recipients=(to,)))

    return send


async def main(job: Job) -> Sample:
    async with Mailwright() as mail:
        return await measure(job, [sender(mail, job)] * job.callers)


if __name__ == "__main__":
    run(Job.from_command_line(), main)
