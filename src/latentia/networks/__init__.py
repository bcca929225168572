"""Plain blocks: nothing here knows what a distribution is."""

from .activations import ACTIVATIONS, activation
from .conv import ConvDecoder, ConvEncoder
from .mlp import MLP
from .one_hot import OneHot

__all__ = ["ACTIVATIONS", "MLP", "ConvDecoder", "ConvEncoder", "OneHot", "activation"]
