"""The questions, each with its clients, its server and what must come out."""

from pathlib import Path

from http_race import accepting
from outbox_job import OutboxJob
from peers import PACKAGES, PYTHON
from postgres import PASSWORD, postgres
from race import SHARED_CLIENTS, WARM, Client, Question, Target, node_client, python_client, smtp_source
from servers import smtp_sink

CLIENTS = Path(__file__).parent / "clients"

OURS = "mailwright"
BATCH = "mailwright, send_many"
SINGLE = "mailwright, 64 callers"
RESEND = "mailwright, policy resend"
UNMARKED = "mailwright without marks"
NOT_DURABLE = "mailwright, not durable"
NODEMAILER = "nodemailer, pool of 10, not durable"
SMTP_SOURCE = "smtp-source -d -s 10"

durable = python_client(CLIENTS / "durable_client.py")
_BY_TIME = {"messages": 1_000_000, "warmup_messages": 20_000, "warmup_seconds": 1.0, "seconds": 3.0}

SEND = Question(
    name="send",
    title="2 KB messages accepted durably, sent over 10 sessions and written down as sent; SQLite, synchronous=FULL",
    server=lambda _: smtp_sink(),
    job=OutboxJob(cache="", warmup_messages=4_000, messages=12_000, seconds=90.0),
    clients=(
        Client(BATCH, durable),
        Client(SINGLE, durable, {"accept": "single"}),
        Client(RESEND, durable, {"policy": "resend"}),
        Client(UNMARKED, durable, {"marks": False}),
        Client(NOT_DURABLE, python_client(SHARED_CLIENTS / "mailwright_client.py"), _BY_TIME),
        Client(NODEMAILER, node_client(SHARED_CLIENTS / "nodemailer_client.js"), {**_BY_TIME, **WARM}),
        Client(SMTP_SOURCE, smtp_source, {"messages": 80_000}),
    ),
    targets=tuple(
        Target(f"{name}: rate, times {peer}", name, peer, require=require, stretch=stretch)
        for name in (BATCH, SINGLE)
        for peer, require, stretch in ((NODEMAILER, 3, 4.5), (SMTP_SOURCE, 0.35, 0.5))
    ),
)

PROCRASTINATE = "Procrastinate, 64 at a time"
PGQUEUER = "pgqueuer, batches of 100"
DBOS_STEP = "DBOS, workflow with one step"
DBOS_PLAIN = "DBOS, workflow without a step"

_ours_queue = python_client(CLIENTS / "ours_queue.py")
_dbos = python_client(CLIENTS / "dbos_queue.py", str(PYTHON))
#: they are slow enough that this many take a while
_FEW = {"messages": 1_000, "warmup_messages": 200, "seconds": 60.0}
_dbos_clients = (Client(DBOS_STEP, _dbos, _FEW), Client(DBOS_PLAIN, _dbos, {**_FEW, "step": False}))
_against_dbos = Target("rate, times DBOS (sending a message is a step)", OURS, DBOS_STEP, require=20, stretch=40)
_queue_job = OutboxJob(cache="", warmup_messages=3_000, messages=30_000)

QUEUE = Question(
    name="queue",
    title="Tasks that do nothing, claimed and completed by one process; PostgreSQL",
    server=postgres,
    job=_queue_job.changed(postgres=True, password=PASSWORD),
    clients=(
        Client(OURS, _ours_queue),
        Client(PGQUEUER, python_client(CLIENTS / "pgqueuer_queue.py", str(PYTHON))),
        Client(PROCRASTINATE, python_client(CLIENTS / "procrastinate_queue.py", str(PYTHON)), _FEW),
        *_dbos_clients,
    ),
    targets=(
        Target("rate, times Procrastinate", OURS, PROCRASTINATE, require=20, stretch=40),
        _against_dbos,
        Target("rate, times pgqueuer", OURS, PGQUEUER, require=0.5, stretch=0.9),
    ),
)

QUEUE_SQLITE = Question(
    name="queue-sqlite",
    title="The same on SQLite: ours synchronous=FULL, DBOS as it sets it up",
    server=None,
    job=_queue_job,
    clients=(Client(OURS, _ours_queue), *_dbos_clients),
    targets=(_against_dbos,),
)

OURS_HTTP, FASTAPI = "mailwright", "FastAPI and pydantic, same store calls"

HTTP = Question(
    name="http",
    title="POST /v1/messages, 2 KB, 32 connections; 202 when it is on disk; SQLite, synchronous=FULL",
    server=None,
    job=OutboxJob(cache="", warmup_seconds=2.0, seconds=5.0),
    clients=(Client(OURS_HTTP, accepting("ours")), Client(FASTAPI, accepting("fastapi", PACKAGES))),
    targets=(
        Target("rate, times FastAPI", OURS_HTTP, FASTAPI, require=1.3, stretch=1.5),
        Target("CPU, of FastAPI's", OURS_HTTP, FASTAPI, require=0.8, stretch=0.6, cpu=True),
    ),
)

CROWDED, QUIET = "beside 100,000 that wait", "nothing else waits"
_settling = python_client(CLIENTS / "waiting_client.py")


def _waiting(name: str, title: str, *, on_postgres: bool) -> Question:
    return Question(
        name=name,
        title=f"Messages of 200 accounts claimed in turn and settled; {title}",
        server=postgres if on_postgres else None,
        job=OutboxJob(
            cache="",
            accounts=200,
            warmup_messages=2_000,
            messages=12_000,
            seconds=90.0,
            postgres=on_postgres,
            password=PASSWORD,
        ),
        clients=(Client(CROWDED, _settling, {"waiting": 100_000}), Client(QUIET, _settling)),
        targets=(Target("rate, of that of an empty queue", CROWDED, QUIET, require=0.9, stretch=1.0),),
    )


QUESTIONS = (
    SEND,
    QUEUE,
    QUEUE_SQLITE,
    HTTP,
    _waiting("waiting", "SQLite, synchronous=FULL", on_postgres=False),
    _waiting("waiting-postgresql", "PostgreSQL", on_postgres=True),
)
