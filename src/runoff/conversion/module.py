"""The network as a PyTorch module, the form that PyTorch's exporter needs."""

import torch

from runoff.models.mlp import Kind


class MlpModule(torch.nn.Module):
    """Two linear layers and the head; the names of its parameters are the keys of `graph.WEIGHT_NAMES`."""

    def __init__(self, kind: Kind, sizes: tuple[int, int, int]) -> None:
        super().__init__()
        input_size, hidden_size, output_size = sizes
        self.kind = kind
        self.hidden = torch.nn.Linear(input_size, hidden_size)
        self.output = torch.nn.Linear(hidden_size, output_size)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return outputs, shape (batch_size, output_size), for inputs of shape (batch_size, input_size)."""
        logits: torch.Tensor = self.output(torch.relu(self.hidden(batch)))
        return torch.softmax(logits, dim=1) if self.kind is Kind.POLICY else torch.sigmoid(logits)
