"""Losses of networks: :func:`network_loss` of any module, the architectures of the experiments, and :func:`align`."""

from ._alignment import align
from ._architectures import CNN, FullyConnected, ResNet9, Transformer, next_token
from ._network_loss import NetworkLoss, network_loss
from ._profiled import ProfiledLoss

__all__ = ["CNN", "FullyConnected", "NetworkLoss", "ProfiledLoss", "ResNet9", "Transformer", "align", "network_loss", "next_token"]
