"""SpeechBrain lobes built from mixers."""

from summarymixing.lobes.branchformer import BranchformerEncoder
from summarymixing.lobes.conformer import ConformerEncoder
from summarymixing.lobes.ctc import CTCModel
from summarymixing.lobes.features import GlobalNormalization, LogMel
from summarymixing.lobes.frontend import ConvolutionalFrontEnd
from summarymixing.lobes.speech_encoder import SpeechEncoder
from summarymixing.lobes.transformer import TransformerEncoder
from summarymixing.lobes.transformer_asr import TransformerASR

__all__ = [
    "BranchformerEncoder",
    "CTCModel",
    "ConformerEncoder",
    "ConvolutionalFrontEnd",
    "GlobalNormalization",
    "LogMel",
    "SpeechEncoder",
    "TransformerASR",
    "TransformerEncoder",
]
