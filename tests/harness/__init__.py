"""Real mail servers for tests: Postfix and Dovecot on loopback, with their own ports, directories and certificates."""

from tests.harness.servers import MailServers, NotReceived, User, mail_servers_running
from tests.harness.skips import missing

__all__ = ["MailServers", "NotReceived", "User", "mail_servers_running", "missing"]
