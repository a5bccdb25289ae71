# mypy: ignore-errors
"""A network that MLServer runs in tests. It reads its weights from the folder of this module."""

from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Policy(MLModel):
    async def load(self):
        self.weights = np.load(Path(__file__).with_name("weights.npz"))
        return True

    async def predict(self, payload):
        weights, batch = self.weights, NumpyCodec.decode_input(payload.inputs[0])
        hidden = np.maximum(batch @ weights["weights_hidden"].T + weights["biases_hidden"], 0)
        logits = hidden @ weights["weights_output"].T + weights["biases_output"]
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        policy = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("output", policy)])
