"""Losses of networks: :func:`loss_of` any module, the architectures of the experiments, and :func:`align`."""

from ._align import align
from ._architectures import CNN, FullyConnected, ResNet9, Transformer, next_token
from ._loss import NetworkLoss, loss_of

__all__ = ["CNN", "FullyConnected", "NetworkLoss", "ResNet9", "Transformer", "align", "loss_of", "next_token"]
