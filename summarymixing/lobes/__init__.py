"""SpeechBrain lobes built from mixers."""

from summarymixing.lobes.beam_search import BeamSearch
from summarymixing.lobes.branchformer import BranchformerEncoder
from summarymixing.lobes.classifier import AttentivePooling, Classifier, MeanPooling
from summarymixing.lobes.conformer import ConformerEncoder
from summarymixing.lobes.contextnet import ContextNet
from summarymixing.lobes.ctc import CTCModel
from summarymixing.lobes.encoder_decoder import EncoderDecoder, TransformerDecoder
from summarymixing.lobes.features import GlobalNormalization, LogMel
from summarymixing.lobes.frontend import ConvolutionalFrontEnd
from summarymixing.lobes.model_view import ModelView
from summarymixing.lobes.speech_encoder import SpeechEncoder
from summarymixing.lobes.transducer import TransducerModel
from summarymixing.lobes.transformer import TransformerEncoder
from summarymixing.lobes.transformer_asr import TransformerASR

__all__ = [
    "AttentivePooling",
    "BeamSearch",
    "BranchformerEncoder",
    "CTCModel",
    "Classifier",
    "ConformerEncoder",
    "ContextNet",
    "ConvolutionalFrontEnd",
    "EncoderDecoder",
    "GlobalNormalization",
    "LogMel",
    "MeanPooling",
    "ModelView",
    "SpeechEncoder",
    "TransducerModel",
    "TransformerASR",
    "TransformerDecoder",
    "TransformerEncoder",
]
