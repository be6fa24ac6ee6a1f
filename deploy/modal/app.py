"""Kyutai's speech-to-text for English and French on Modal, as the provider `modal` expects it.

    pip install modal==1.6.4 && modal setup
    modal deploy deploy/modal/app.py          # prints the address; the workspace's name is its first part
    modal run deploy/modal/app.py             # downloads the weights, so that the first call does not wait for it

Then create a proxy auth token in Modal's settings, and start Tiro with

    STT_PROVIDER=modal MODAL_WORKSPACE=.. MODAL_KEY=wk-.. MODAL_SECRET=ws-..

The names below are in the address that Tiro connects to,
wss://<workspace>--kyutai-stt-rust-kyutaisttrustservice-serve.modal.run: do not change them without STT_STREAM_URL.

What it costs is said in docs/RECOGNISERS.md. It scales to zero: without a session for SCALEDOWN_S there is no container.
"""

import os
import subprocess
import threading
import time
import tomllib
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import modal

HERE = Path(__file__).parent
CONFIG = Path("/app/stt-1b-en_fr.toml")

# 24 GB, enough for the 16 channels of the configuration. CUDA_COMPUTE_CAP belongs to it: 89 is L4 and L40S, 86 is A10.
GPU = "L4"
CUDA_COMPUTE_CAP = "89"
# Two channels less than the configuration has: one is free again only some steps after its session has ended.
SESSIONS_PER_CONTAINER = 14
# Each is another GPU, as soon as the others are full. A bound for the price.
CONTAINERS_MAX = 4
# A warm container waits this long for the next speaker. Shorter is cheaper, and cold starts are more frequent.
SCALEDOWN_S = 300
# The first start downloads the weights.
STARTUP_S = 900
# Modal ends a connection after this; Tiro reconnects without loss.
SESSION_S = 4 * 3600
MOSHI_URL = "127.0.0.1:8080"

image = (
    modal.Image.from_registry("nvidia/cuda:12.9.1-devel-ubuntu22.04", add_python="3.12")
    .apt_install("build-essential", "ca-certificates", "cmake", "curl", "libssl-dev", "pkg-config", "python3-dev")
    # As deploy/moshi-server/Dockerfile does; Modal builds no stages.
    .run_commands(
        "curl -fsSL https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain 1.88.0",
        f"CUDA_COMPUTE_CAP={CUDA_COMPUTE_CAP} PYO3_PYTHON=/usr/bin/python3 /root/.cargo/bin/cargo install --locked"
        " --root /usr/local --features cuda moshi-server@0.6.4",
        "mkdir -p /app/static",
    )
    .pip_install_from_requirements(str(HERE / "requirements.txt"))
    .env({"HF_HOME": "/models"})
    .add_local_file(HERE.parent / "moshi-server" / CONFIG.name, str(CONFIG))
    .add_local_file(HERE / "proxy.py", "/root/proxy.py")
)
weights = modal.Volume.from_name("kyutai-stt-weights", create_if_missing=True)
app = modal.App("kyutai-stt-rust", include_source=False)


@app.cls(
    image=image,
    gpu=GPU,
    cpu=2.0,
    memory=8192,
    volumes={"/models": weights},
    min_containers=0,
    max_containers=CONTAINERS_MAX,
    scaledown_window=SCALEDOWN_S,
    startup_timeout=STARTUP_S,
    timeout=SESSION_S,
)
@modal.concurrent(max_inputs=SESSIONS_PER_CONTAINER)
class KyutaiSttRustService:
    @modal.enter()
    def start(self) -> None:
        """Returns once the model is loaded: Modal sends no session before."""
        command = ["/usr/local/bin/moshi-server", "worker", "--config", str(CONFIG), "--addr", "127.0.0.1", "--log", "warn"]
        self.stops = False
        self.moshi = subprocess.Popen(command, cwd="/app")
        deadline = time.monotonic() + STARTUP_S
        while not is_up():
            if self.moshi.poll() is not None:
                raise RuntimeError(f"Cannot start moshi-server: it ended with status {self.moshi.returncode}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"Cannot start moshi-server: it does not listen after {STARTUP_S} s")
            time.sleep(0.5)
        weights.commit()
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        """Without moshi-server the container is of no use: Modal starts another."""
        status = self.moshi.wait()
        if not self.stops:
            print(f"moshi-server ended with status {status}", flush=True)
            os._exit(1)

    @modal.asgi_app(requires_proxy_auth=True)
    def serve(self):
        from proxy import create_app

        config = tomllib.loads(CONFIG.read_text())
        [api_key] = config["authorized_ids"]
        return create_app(f"ws://{MOSHI_URL}", api_key, config["modules"]["asr"]["asr_delay_in_tokens"])

    @modal.method()
    def warm_up(self) -> str:
        return "The weights are in the volume, and a container is up."

    @modal.exit()
    def stop(self) -> None:
        self.stops = True
        self.moshi.terminate()


def is_up() -> bool:
    try:
        with urlopen(f"http://{MOSHI_URL}/api/build_info", timeout=5) as response:
            return response.status == 200
    except (URLError, OSError):
        return False


@app.local_entrypoint()
def main() -> None:
    print(KyutaiSttRustService().warm_up.remote())
