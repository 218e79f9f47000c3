"""The same model in plain PyTorch, for machines that have it; the library does not need it."""

import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vaelib import dataset
from vaelib.experiment import Experiment


class TorchVAE(nn.Module):
    """Images (n, 1, s, s) in [0, 1] to the means (n, d) and the logits (n, 1, s, s), with the study's layers."""

    def __init__(self, experiment: Experiment) -> None:
        super().__init__()
        self.experiment = experiment
        s, d = experiment.image_size, experiment.latent_dim
        stack: list[nn.Module] = []
        before, side = 1, s
        for filters in (64, 64, 128, 128):
            filters = self._channels(filters)
            # Keras's "same" pooling of an odd side keeps the last row and column, as ceil_mode does.
            stack += [nn.Conv2d(before, filters, 3), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
            before, side = filters, (side - 1) // 2
        self.encoder = nn.Sequential(*stack, nn.Flatten(), nn.Linear(before * side**2, d))
        before = self._channels(16)
        stack = [nn.Linear(d, (s // 8) ** 2 * before, bias=False), nn.ReLU(), nn.Unflatten(1, (before, s // 8, s // 8))]
        for filters in (64, 64, 128):
            filters = self._channels(filters)
            stack += [nn.Upsample(scale_factor=2), nn.ConvTranspose2d(before, filters, 3, padding=1), nn.ReLU()]
            stack.append(self._norm(filters))
            before = filters
        last = self._channels(256)
        stack += [nn.ConvTranspose2d(before, last, 1), nn.ReLU(), self._norm(last), nn.ConvTranspose2d(last, 1, 1)]
        self.decoder = nn.Sequential(*stack)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.05)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Encode, sample and decode."""
        mu = self.encoder(images).float()
        return mu, self.decoder(mu + self.experiment.sigma * torch.randn_like(mu)).float()

    def loss(self, images: Tensor, mu: Tensor, logits: Tensor) -> Tensor:
        """Return cross-entropy + beta · KL + gamma · entanglement, a scalar."""
        settings = self.experiment
        variance, d = settings.sigma**2, settings.latent_dim
        kl = (mu**2 + variance - 1 - float(np.log(variance))).mean()
        pairs = (mu.abs().sum(1) ** 2 - (mu**2).sum(1)).mean() / max(d * (d - 1), 1)
        return functional.binary_cross_entropy_with_logits(logits, images) + settings.beta * kl + settings.gamma * pairs

    def _channels(self, full: int) -> int:
        return max(1, round(full * self.experiment.width))

    def _norm(self, channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class TorchTraining:
    """Steps of training in a plain loop: float32, or bfloat16 by autocast with the channels last in memory."""

    steps_per_execution = 1

    def __init__(self, experiment: Experiment, data: dataset.DataSet) -> None:
        torch.manual_seed(experiment.seed)
        self.experiment, self.data = experiment, data
        self.low = experiment.precision == "bfloat16"
        self.layout = torch.channels_last if self.low else torch.contiguous_format
        self.model = TorchVAE(experiment).to(memory_format=self.layout)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=experiment.learning_rate, eps=1e-7)
        # Keras counts a batch norm's moving statistics, which PyTorch keeps among the buffers.
        held = [*self.model.decoder.named_parameters(), *self.model.decoder.named_buffers()]
        self.parameters = {
            "encoder": sum(parameter.numel() for parameter in self.model.encoder.parameters()),
            "decoder": sum(tensor.numel() for name, tensor in held if "num_batches" not in name),
        }

    def train(self, steps: int) -> tuple[float, float]:
        """Return the seconds that the steps took and the last loss."""
        size = self.experiment.batch_size
        rows = np.resize(self.data.train, steps * size)
        start = time.perf_counter()
        for step in range(steps):
            batch = torch.from_numpy(self.data.images[rows[step * size : (step + 1) * size]])
            images = (batch[:, None].float() / 255).contiguous(memory_format=self.layout)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.low):
                mu, logits = self.model(images)
            loss = self.model.loss(images, mu, logits)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - start, loss.item()
