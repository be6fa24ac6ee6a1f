"""The OpenAPI document against the service: every operation, by schemathesis, with right and wrong requests."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

from conftest import Service, until

HERE = Path(__file__).parent
#: A margin over max-time of schemathesis.toml.
TIMEOUT_S = 120


def test_the_service_does_what_its_document_says(
    service: Service, client: httpx.Client, tmp_path: Path
) -> None:
    until(lambda: client.get("/api/v1/translation/languages").status_code == 200)
    options = [part for name, value in service.headers.items() for part in ("--header", f"{name}: {value}")]
    if service.is_ex_app:
        # It tries wrong bearer tokens beside AppAPI's headers, which are right and enough.
        options += ["--exclude-checks", "ignored_auth"]
    schemathesis = Path(sys.executable).parent / "schemathesis"
    run = subprocess.run(
        [schemathesis, "--config-file", HERE / "schemathesis.toml", "run", f"{service.url}/openapi.json", *options],
        cwd=tmp_path,  # it leaves its notes there
        env=os.environ | {"PYTHONPATH": str(HERE), "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    assert client.get("/healthz").json()["status"] == "healthy"
    # Nothing of what was sent made the service fail.
    errors = [line for line in client.get("/metrics").text.splitlines() if "transcription_errors_total{" in line]
    assert [line for line in errors if "internal" in line] == []
