"""A service that accepts messages by POST /v1/messages and sends none: through our API, or through FastAPI.

Both authenticate alike, validate the same fields and accept by the same call, so that the rows are the same.
"""

import asyncio
import json
import signal
import sys
import tempfile
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import uvicorn
import uvloop
from mailwright_client import account
from outbox_job import OutboxJob

from mailwright.api.app import make_app
from mailwright.api.server import ServerSettings, serve
from mailwright.api.settings import ApiSettings
from mailwright.connector.calls import AccountSettings
from mailwright.connector.service import Service
from mailwright.connector.service_desk import ServiceDesk
from mailwright.model.access import Access, Action
from mailwright.settings import read_settings

#: the race is about accepting, not about being turned away
_LIMITS = ApiSettings(requests_per_second=1e9, burst=1_000_000_000, concurrency=1_000_000)


@asynccontextmanager
async def _service(job: OutboxJob):
    with tempfile.TemporaryDirectory(prefix="mailwright-bench-", dir=job.cache) as folder:
        settings = read_settings().model_copy(update={"data": Path(folder), "database": ""})
        async with Service(settings, roles=("api",)) as service:
            office = service.office(Access("bench", everywhere=True))
            await office.accounts.create("bench", AccountSettings(account(job)))
            made = await office.tokens.create("bench", [Action.SEND])
            yield service, made.secret.reveal()


async def main(job: OutboxJob, framework: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    started: AbstractAsyncContextManager = _service(job)
    async with started as (service, token):
        print(json.dumps({"token": token}), flush=True)
        if framework == "ours":
            app = make_app(ServiceDesk(service), _LIMITS)
            await serve(app, ServerSettings(port=job.port), stop=stop)
        else:
            await _serve_fastapi(service, job.port, stop)


async def _serve_fastapi(service: Service, port: int, stop: asyncio.Event) -> None:
    from fastapi_app import make_fastapi_app  # noqa: PLC0415  # installed for the benchmark alone

    config = uvicorn.Config(
        make_fastapi_app(service),
        port=port,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())  # noqa: SLF001  # without its signal handlers
    await stop.wait()
    server.should_exit = True
    await serving


if __name__ == "__main__":
    sys.path += sys.argv[3:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(OutboxJob.from_command_line(), sys.argv[2]))
