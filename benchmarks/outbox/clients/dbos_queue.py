"""DBOS: workflows that do nothing, or have one step that does nothing, from a queue of its own."""

import tempfile
import time
from pathlib import Path

import sqlalchemy
from dbos import DBOS, DBOSClient, DBOSConfig
from job import Sample, answer
from outbox_job import OutboxJob

#: between two looks of the queue; its default of a second would be measured instead of it
_POLL_SECONDS = 0.01
_DONE = "SELECT count(*) FROM {}workflow_status WHERE status = 'SUCCESS' AND name IN ('plain', 'with_step')"


@DBOS.step()
def nothing() -> None:
    pass


@DBOS.workflow(name="plain")
def plain() -> None:
    pass


@DBOS.workflow(name="with_step")
def with_step() -> None:
    nothing()


def main(job: OutboxJob) -> Sample:
    with tempfile.TemporaryDirectory(prefix="mailwright-bench-", dir=job.cache) as folder:
        sqlite = f"sqlite:///{Path(folder, 'dbos.sqlite')}"
        address = job.postgres_url() if job.postgres else sqlite
        config = DBOSConfig(name="bench", system_database_url=address, log_level="ERROR", run_admin_server=False)
        DBOS(config=config)
        DBOS.launch()
        client = DBOSClient(system_database_url=address)
        for _ in range(job.messages):
            name = "with_step" if job.step else "plain"
            client.enqueue({"queue_name": "bench", "workflow_name": name})
        engine = sqlalchemy.create_engine(job.postgres_url("postgresql+psycopg") if job.postgres else sqlite)
        cpu, wall = time.process_time(), time.perf_counter()
        DBOS.register_queue("bench", polling_interval_sec=_POLL_SECONDS)
        _wait(engine, job)
        sample = Sample(job.messages, time.perf_counter() - wall, time.process_time() - cpu)
        client.destroy()
        DBOS.destroy()
        engine.dispose()
    return sample


def _wait(engine: sqlalchemy.Engine, job: OutboxJob) -> None:
    question = sqlalchemy.text(_DONE.format("dbos." if job.postgres else ""))
    while True:
        with engine.connect() as connection:
            if connection.execute(question).scalar_one() == job.messages:
                return
        time.sleep(0.02)


if __name__ == "__main__":
    answer(main(OutboxJob.from_command_line()))
