"""What a client of this benchmark is asked beside what every `Job` says."""

from dataclasses import dataclass

from job import Job


@dataclass(frozen=True)
class OutboxJob(Job):
    #: batch: one call of `send_many`; single: `callers` coroutines, one message each call
    accept: str = "batch"
    #: hold or resend: what is done about a message of which nobody knows whether it arrived
    policy: str = "hold"
    #: False: final dots leave unmarked. Only to see what the mark costs: it breaks the promise
    marks: bool = True
    #: the database is PostgreSQL at `port`; else SQLite in a new directory
    postgres: bool = False
    #: messages that wait in the queue beside those that are counted
    waiting: int = 0
    #: accounts that all messages are of, in turn
    accounts: int = 1
    #: of DBOS: the workflow has a step
    step: bool = True

    def postgres_url(self, scheme: str = "postgresql") -> str:
        return f"{scheme}://postgres:{self.password}@{self.host}:{self.port}/postgres"
