"""A service process started by the launcher answers over the Open Inference Protocol."""

from pathlib import Path

import numpy as np

from runoff.backends.oip_backend import open_oip
from runoff.models import accuracy, go_json
from runoff.service.launcher import RunningService


def test_service_process_answers_over_the_open_inference_protocol(running: RunningService, model_path: Path) -> None:
    """The backends `<engine>-grpc` and `<engine>-oip` share a service process, so it must support both protocols."""
    mlp = go_json.read(model_path)
    batch = np.random.default_rng(0).normal(size=(8, mlp.input_size)).astype(np.float32)
    with open_oip("numpy-oip", running.address, mlp, model_path.stem) as backend:
        accuracy.check("numpy-oip", mlp, batch, backend.predict(batch))
        backend.check_same_service()
