"""POST /v1/messages under the load of wrk: starts the server, warms it up, measures it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import messages
from install import HERE as COMMON, tool
from job import Job, Sample
from race import SHARED_CLIENTS, ClientFailedError, RunClient
from servers import free_port

HERE = Path(__file__).parent
_CONNECTIONS = 32
_MARK = "NUMBER"


def accepting(framework: str, *folders: Path) -> RunClient:
    """`folders`: where packages are that are not the project's own."""

    def run(job: Job) -> Sample:
        asked = job.changed(port=free_port())
        body = Path(job.cache) / "accept.json"
        body.write_text(json.dumps(_body()))
        with _server(asked, framework, folders) as (process, token):
            if job.warmup_seconds:
                _load(asked, token, body, job.warmup_seconds)
            before = _cpu_seconds(process.pid)
            done = _load(asked, token, body, job.seconds)
            return Sample(done["requests"], done["seconds"], _cpu_seconds(process.pid) - before)

    return run


def _body() -> dict[str, object]:
    """As in the other questions: 2 KB, text and HTML; one place is replaced by the number of the request."""
    return {
        "account": "bench",
        "message": {
            "to": f"{messages.RECEIVER_NAME} <rcpt@example.com>",
            "html": messages.html(0),
            "text": messages.text(0),
            "headers": {"X-Token": messages.reference(0)},
            "subject": f"{messages.SUBJECT} {_MARK}",
        },
    }


@contextmanager
def _server(job: Job, framework: str, folders: tuple[Path, ...]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    script = HERE / "servers" / "http_server.py"
    path = os.pathsep.join(map(str, (COMMON, SHARED_CLIENTS, HERE)))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(script), job.to_json(), framework, *map(str, folders)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=HERE) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise ClientFailedError("the server did not start")
            yield process, json.loads(line)["token"]
        finally:
            process.terminate()


def _load(job: Job, token: str, body: Path, seconds: float) -> dict[str, float]:
    duration = f"{max(1, round(seconds))}s"
    command = [tool("wrk"), "-t1", f"-c{_CONNECTIONS}", f"-d{duration}", "--timeout", "30s"]
    command += ["-s", str(HERE / "accept.lua"), f"http://127.0.0.1:{job.port}", "--", token, str(body)]
    # It announces itself a moment before it listens.
    for _ in range(50):
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds + 60)
        if "unable to connect" not in done.stderr + done.stdout:
            break
        time.sleep(0.05)
    results = [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not results:
        raise ClientFailedError(f"wrk: {(done.stderr or done.stdout).strip()}")
    result = json.loads(results[0])
    if result["failed"] or not result["requests"]:
        raise ClientFailedError(f"{result['failed']} of {result['requests']} requests failed")
    return result


def _cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
