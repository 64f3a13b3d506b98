"""The questions, each with its clients, its server and what must come out."""

from pathlib import Path

from install import CACHE
from job import Job
from race import (
    CALLERS,
    LIMITS,
    SHARED_CLIENTS,
    WARM,
    Client,
    Question,
    Target,
    blast,
    node_client,
    python_client,
    smtp_source,
)
from servers import authority_file, distant_sink, fast_sink, fast_starttls_sink, smtp_sink, starttls_server

OURS = "mailwright"
OURS_PLAIN_LOOP = "mailwright, plain asyncio loop"
NODEMAILER = "nodemailer, pool of 10"
AIOSMTPLIB = "aiosmtplib, 10 connections, uvloop"
SMTPLIB = "smtplib, 1 connection"
SMTP_SOURCE = "smtp-source -d -s 10"
LIMIT = "C without composing, pipelined (limit)"
TLS_LIMIT = "fixed bytes, nothing checked (limit)"

CLIENTS = Path(__file__).parent / "clients"
ours = python_client(SHARED_CLIENTS / "mailwright_client.py")
nodemailer = node_client(SHARED_CLIENTS / "nodemailer_client.js")
aiosmtplib = python_client(CLIENTS / "aiosmtplib_client.py")
smtplib = python_client(CLIENTS / "smtplib_client.py")
starttls_blast = python_client(CLIENTS / "starttls_blast.py")
LIMITS.append(starttls_blast)

SMALL = Question(
    name="small",
    title="Small messages (2 KB, text and HTML), built and sent; every message has its own recipient and content",
    server=lambda _: smtp_sink(),
    job=Job(cache=""),
    clients=(
        Client(OURS, ours),
        Client(OURS_PLAIN_LOOP, ours, {"uvloop": False}),
        Client(NODEMAILER, nodemailer, WARM),
        Client(AIOSMTPLIB, aiosmtplib),
        Client(SMTPLIB, smtplib),
        Client(SMTP_SOURCE, smtp_source, {"messages": 80_000}),
    ),
    targets=(
        Target("rate, times nodemailer", OURS, NODEMAILER, require=5, stretch=7),
        Target("rate, times smtp-source", OURS, SMTP_SOURCE, require=0.55, stretch=0.8),
        Target("CPU per message, of nodemailer's", OURS, NODEMAILER, require=0.2, stretch=0.143, cpu=True),
    ),
)

PREBUILT = Question(
    name="prebuilt",
    title="Small messages, finished bytes given to the client",
    server=lambda _: smtp_sink(),
    job=Job(cache="", ready=True),
    clients=(
        Client(OURS, ours),
        Client(OURS_PLAIN_LOOP, ours, {"uvloop": False}),
        Client(NODEMAILER, nodemailer, WARM),
        Client(AIOSMTPLIB, aiosmtplib),
        Client(SMTP_SOURCE, smtp_source, {"messages": 80_000}),
        Client(LIMIT, blast, {"messages": 150_000}),
    ),
    targets=(
        Target("rate, times aiosmtplib", OURS, AIOSMTPLIB, require=4, stretch=6),
        Target("rate, times nodemailer", OURS, NODEMAILER, require=6, stretch=9),
        Target("rate, times smtp-source", OURS, SMTP_SOURCE, require=1.3, stretch=2),
    ),
)

_large_clients = (
    Client(OURS, ours),
    Client(NODEMAILER, nodemailer, {**CALLERS, "warmup_messages": 5_000, "warmup_seconds": 6.0}),
    Client(AIOSMTPLIB, aiosmtplib),
    Client(SMTP_SOURCE, smtp_source, {"messages": 8_000}),
)
_against_nodemailer = (
    Target("rate, times nodemailer", OURS, NODEMAILER, require=3, stretch=3.5),
    Target("CPU per message, of nodemailer's", OURS, NODEMAILER, require=0.25, stretch=0.167, cpu=True),
)

LARGE = Question(
    name="large",
    title="100 KB messages (72 000 bytes attached), built and sent; smtp-sink itself is the ceiling",
    server=lambda _: smtp_sink(),
    job=Job(cache="", large=True),
    clients=_large_clients,
    targets=(*_against_nodemailer, Target("rate, times smtp-source", OURS, SMTP_SOURCE, require=1.0, stretch=1.15)),
)

LARGE_FAST = Question(
    name="large-fast",
    title="The same against a sink that is not the ceiling",
    server=fast_sink,
    job=Job(cache="", large=True),
    clients=_large_clients,
    targets=_against_nodemailer,
)

ROUNDTRIP = Question(
    name="roundtrip",
    title="Small messages over a network with a round trip of 20 ms, 10 connections each",
    server=distant_sink,
    job=Job(cache="", warmup_seconds=1.5, seconds=4.0),
    clients=(
        Client(OURS, ours),
        Client(NODEMAILER, nodemailer, CALLERS),
        Client("aiosmtplib, finished bytes, uvloop", aiosmtplib, {"ready": True}),
    ),
    targets=(
        Target("rate, times nodemailer", OURS, NODEMAILER, require=1.9, stretch=2.0),
        Target("rate, times aiosmtplib", OURS, "aiosmtplib, finished bytes, uvloop", require=3.7, stretch=3.9),
    ),
)

_tls_job = Job(cache="", ready=True, authority=str(authority_file(CACHE)), warmup_seconds=2.0)
_tls_clients = (
    Client(OURS, ours),
    Client(NODEMAILER, nodemailer, WARM),
    Client(AIOSMTPLIB, aiosmtplib),
)
_tls_targets = (
    Target("rate, times nodemailer", OURS, NODEMAILER, require=3, stretch=4.5),
    Target("rate, times aiosmtplib", OURS, AIOSMTPLIB, require=1.8, stretch=2.2),
)

TLS = Question(
    name="tls",
    title="Small messages, finished bytes, STARTTLS and AUTH PLAIN, 10 sessions each; npm smtp-server is the ceiling",
    server=starttls_server,
    job=_tls_job,
    clients=(*_tls_clients, Client(TLS_LIMIT, starttls_blast)),
    targets=_tls_targets,
)

TLS_FAST = Question(
    name="tls-fast",
    title="The same against a sink that is not the ceiling",
    server=fast_starttls_sink,
    job=_tls_job,
    clients=_tls_clients,
    targets=_tls_targets,
)

COMPOSER, MAIL_COMPOSER, EMAIL_MESSAGE = "mailwright", "nodemailer MailComposer", "EmailMessage.as_bytes"


def _compose(name: str, title: str, require: float, stretch: float, *, large: bool) -> Question:
    return Question(
        name=name,
        title=title,
        server=None,
        job=Job(cache="", large=large),
        clients=(
            Client(COMPOSER, python_client(CLIENTS / "mailwright_composer.py")),
            Client(MAIL_COMPOSER, node_client(CLIENTS / "nodemailer_composer.js"), {"warmup_seconds": 3.0}),
            Client(EMAIL_MESSAGE, python_client(CLIENTS / "standard_library_composer.py")),
        ),
        targets=(Target("rate, times MailComposer", COMPOSER, MAIL_COMPOSER, require=require, stretch=stretch),),
    )


QUESTIONS = (
    SMALL,
    PREBUILT,
    LARGE,
    LARGE_FAST,
    ROUNDTRIP,
    TLS,
    TLS_FAST,
    _compose("compose", "Composer alone, small messages", 4, 6, large=False),
    _compose("compose-large", "Composer alone, 100 KB messages", 2, 5, large=True),
)
