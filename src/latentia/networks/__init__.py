"""Plain blocks: nothing here knows what a distribution is."""

from .activations import ACTIVATIONS, activation
from .conv import ConvDecoder, ConvEncoder
from .critics import ConvCritic, Critic
from .lstm import LSTMDecoder, LSTMEncoder
from .mlp import MLP
from .normalised import NormalisedMean
from .one_hot import OneHot
from .pixelcnn import GatedPixelCNN
from .residual import ResidualEncoder
from .skip import SkipMLP
from .tokens import SequenceDecoder, WordDropout
from .transformer import TransformerDecoder, TransformerEncoder
from .upwards import ConvGenerator

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "ConvCritic",
    "ConvDecoder",
    "ConvEncoder",
    "ConvGenerator",
    "Critic",
    "GatedPixelCNN",
    "LSTMDecoder",
    "LSTMEncoder",
    "NormalisedMean",
    "OneHot",
    "ResidualEncoder",
    "SequenceDecoder",
    "SkipMLP",
    "TransformerDecoder",
    "TransformerEncoder",
    "WordDropout",
    "activation",
]
