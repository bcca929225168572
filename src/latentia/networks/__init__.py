"""Plain blocks: nothing here knows what a distribution is."""

from .activations import ACTIVATIONS, activation
from .conv import ConvDecoder, ConvEncoder
from .lstm import LSTMDecoder, LSTMEncoder
from .mlp import MLP
from .one_hot import OneHot
from .tokens import SequenceDecoder, WordDropout
from .transformer import TransformerDecoder, TransformerEncoder

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "ConvDecoder",
    "ConvEncoder",
    "LSTMDecoder",
    "LSTMEncoder",
    "OneHot",
    "SequenceDecoder",
    "TransformerDecoder",
    "TransformerEncoder",
    "WordDropout",
    "activation",
]
