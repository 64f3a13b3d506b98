"""Real servers for tests, on loopback with their own ports and directories: Postfix, Dovecot, PostgreSQL, a sink."""

from tests.harness.postgres import Postgres, postgres_running
from tests.harness.servers import MailServers, NotReceived, User, mail_servers_running
from tests.harness.sink import Sink, Taken, counting_sink
from tests.harness.skips import missing

__all__ = [
    "MailServers",
    "NotReceived",
    "Postgres",
    "Sink",
    "Taken",
    "User",
    "counting_sink",
    "mail_servers_running",
    "missing",
    "postgres_running",
]
