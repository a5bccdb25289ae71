"""The network as a PyTorch module, which PyTorch's ONNX exporter requires as its input."""

import torch

from runoff.models.mlp import Kind


class MlpModule(torch.nn.Module):
    """Two linear layers and the head. The names of the module's parameters must be the keys of `graph.WEIGHT_NAMES`."""

    def __init__(self, kind: Kind, sizes: tuple[int, int, int]) -> None:
        super().__init__()
        input_size, hidden_size, output_size = sizes
        self.kind = kind
        self.hidden = torch.nn.Linear(input_size, hidden_size)
        self.output = torch.nn.Linear(hidden_size, output_size)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Run a forward pass: inputs have shape (batch_size, input_size), outputs (batch_size, output_size)."""
        logits: torch.Tensor = self.output(torch.relu(self.hidden(batch)))
        return torch.softmax(logits, dim=1) if self.kind is Kind.POLICY else torch.sigmoid(logits)
