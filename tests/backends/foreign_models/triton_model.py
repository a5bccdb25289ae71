# mypy: ignore-errors
"""A network that Triton's Python backend runs in tests. It reads its weights from the model's folder."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
# Triton's Python does not search the virtual environment that contains NumPy, so add NumPy's folder to the path.
sys.path.insert(0, (FOLDER / "site-packages.txt").read_text())

import numpy as np  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402


class TritonPythonModel:
    def initialize(self, _arguments):
        self.weights = np.load(FOLDER / "weights.npz")

    def execute(self, requests):
        return [self.respond(triton.get_input_tensor_by_name(request, "input").as_numpy()) for request in requests]

    def respond(self, batch):
        weights = self.weights
        hidden = np.maximum(batch @ weights["weights_hidden"].T + weights["biases_hidden"], 0)
        logits = hidden @ weights["weights_output"].T + weights["biases_output"]
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        policy = (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)
        return triton.InferenceResponse(output_tensors=[triton.Tensor("output", policy)])
