"""The networks of the papers' experiments, small enough to be read at one sitting.

Every module with parameters initialises itself by ``reset_parameters``, so that :meth:`NetworkLoss.initial_parameters` can make many.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FullyConnected(nn.Sequential):
    """Linear layers with an activation between them.

    Args:
        inputs: number of features; inputs ``[rows ...]`` are flattened.
        hidden: width of every hidden layer.
        outputs: number of classes or of values.
        activation: class of the activation, which must act on every number alone (tanh and ReLU do, softmax does not).
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int, activation: type[nn.Module] = nn.ReLU):
        layers: list[nn.Module] = [nn.Flatten()]
        for width in hidden:
            layers += [nn.Linear(inputs, width), activation()]
            inputs = width
        super().__init__(*layers, nn.Linear(inputs, outputs))

    def forward(self, input: Tensor) -> Tensor:
        """The layers one after the other, on the transposed data: products of many small matrices are up to twice as fast that way."""
        x = input.flatten(1).mT
        for layer in self:
            if isinstance(layer, nn.Linear):
                x = layer.weight @ x + layer.bias[:, None]
            elif not isinstance(layer, nn.Flatten):
                x = layer(x)
        return x.mT


class CNN(nn.Sequential):
    """Convolutions 3 x 3 of one width, the mean over the image, a linear layer; P2 has one to three layers of width 32."""

    def __init__(self, channels: int, classes: int, *, layers: int = 2, width: int = 32, batch_norm: bool = False):
        parts: list[nn.Module] = []
        for _ in range(layers):
            parts += [nn.Conv2d(channels, width, 3, padding=1), *[nn.BatchNorm2d(width)] * batch_norm, nn.ReLU()]
            channels = width
        super().__init__(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


class Convolution(nn.Conv2d):
    """A convolution 3 x 3, initialised as in the reference: Kaiming's normal weights, biases 0.01."""

    def __init__(self, channels: int, width: int):
        super().__init__(channels, width, 3, padding=1)

    def reset_parameters(self) -> None:
        assert self.bias is not None  # only the declared type of Conv2d allows None
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        nn.init.constant_(self.bias, 0.01)


class Residual(nn.Module):
    """The identity plus two convolutions."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = Convolution(width, width), Convolution(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class ResNet9(nn.Sequential):
    """Residual network of widths 16, 32, 64, 64 with one BatchNorm before global pooling.

    For three channels and ten classes it has the reference's 195,210 parameters; the order of its layers is ours.
    """

    def __init__(self, channels: int = 3, classes: int = 10):
        super().__init__(
            *(Convolution(channels, 16), nn.ReLU(), Residual(16)),
            *(Convolution(16, 32), nn.ReLU(), nn.MaxPool2d(2), Residual(32)),
            *(Convolution(32, 64), nn.ReLU(), nn.MaxPool2d(2), Residual(64), Residual(64)),
            *(nn.BatchNorm2d(64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes)),
        )


class Attention(nn.Module):
    """Causal self-attention, written out: the fused kernels have no second derivative."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.inward(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        scores = torch.einsum("rqhw,rkhw->rhqk", query, key) / query.shape[-1] ** 0.5
        later = torch.ones(x.shape[-2], x.shape[-2], dtype=torch.bool, device=x.device).triu(1)
        weight = scores.masked_fill(later, -torch.inf).softmax(-1)
        return self.outward(torch.einsum("rhqk,rkhw->rqhw", weight, value).flatten(-2))


class Block(nn.Module):
    """Attention, then two linear layers; each follows a layer norm and is added to its input."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        self.layers = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.layers(x)


class Transformer(nn.Module):
    """A small decoder: tokens ``[rows context]`` to the scores of each next token ``[rows context tokens]``."""

    def __init__(self, tokens: int, context: int, *, width: int = 32, depth: int = 2, heads: int = 4):
        super().__init__()
        self.token, self.place = nn.Embedding(tokens, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, tokens))

    def forward(self, rows: Tensor) -> Tensor:
        place = self.place(torch.arange(rows.shape[-1], device=rows.device))
        return self.last(self.blocks(self.token(rows) + place))


def next_token(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of all tokens of all rows."""
    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())
