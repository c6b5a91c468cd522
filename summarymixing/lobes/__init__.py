"""SpeechBrain lobes around token mixers: front ends, encoders, whole models, pre-training objectives."""

import importlib

from summarymixing.lobes.encoders.branchformer import BranchformerEncoder
from summarymixing.lobes.encoders.conformer import ConformerEncoder
from summarymixing.lobes.encoders.squeeze import SqueezedEncoder
from summarymixing.lobes.encoders.transformer import TransformerEncoder
from summarymixing.lobes.frontends.contextnet import ContextNet
from summarymixing.lobes.frontends.features import GlobalNormalization, LogMel, UtteranceNormalization, Waveform
from summarymixing.lobes.frontends.latents import LatentExtractor
from summarymixing.lobes.frontends.subsampling import ConvolutionalFrontEnd
from summarymixing.lobes.models.classifier import AttentivePooling, Classifier, MeanPooling
from summarymixing.lobes.models.ctc import CTCModel
from summarymixing.lobes.models.encoder_decoder import EncoderDecoder, TransformerDecoder
from summarymixing.lobes.models.model_view import ModelView
from summarymixing.lobes.models.pretraining import PretrainingModel
from summarymixing.lobes.models.speech_encoder import SpeechEncoder
from summarymixing.lobes.models.speech_model import SpeechModel
from summarymixing.lobes.models.transducer import TransducerModel
from summarymixing.lobes.models.transformer_asr import TransformerASR
from summarymixing.lobes.objectives.contrastive import Contrastive
from summarymixing.lobes.objectives.quantizer import GumbelQuantizer
from summarymixing.lobes.objectives.random_projection import RandomProjection
from summarymixing.lobes.probes import BiLSTM, UpstreamCTC

__all__ = [
    "AttentivePooling",
    "BiLSTM",
    "BranchformerEncoder",
    "CTCModel",
    "Classifier",
    "ConformerEncoder",
    "ContextNet",
    "Contrastive",
    "ConvolutionalFrontEnd",
    "EncoderDecoder",
    "GlobalNormalization",
    "GumbelQuantizer",
    "LatentExtractor",
    "LogMel",
    "MeanPooling",
    "ModelView",
    "PretrainingModel",
    "RandomProjection",
    "SpeechEncoder",
    "SpeechModel",
    "SqueezedEncoder",
    "TransducerModel",
    "TransformerASR",
    "TransformerDecoder",
    "TransformerEncoder",
    "UpstreamCTC",
    "UtteranceNormalization",
    "Waveform",
]


def __getattr__(name):
    # YAML files of earlier versions name it here; imported late, because decoding imports lobes.
    if name == "BeamSearch":
        return importlib.import_module("summarymixing.decoding.beam_search").BeamSearch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
