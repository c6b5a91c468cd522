"""Small models of random weights of each family of Hugging Face that can be an upstream."""

import pytest
import torch

_SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
_WAVEFORM = {
    **_SIZES,
    "conv_dim": [16] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "layerdrop": 0.5,
}
#: As in the large models; the base ones have a group norm over the whole utterance and LayerNorm behind each layer.
_LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
FAMILIES = {
    "wav2vec2-large": {"model_type": "wav2vec2", **_WAVEFORM, **_LAYER_NORM},
    "wav2vec2-base": {"model_type": "wav2vec2", **_WAVEFORM},
    "hubert": {"model_type": "hubert", **_WAVEFORM, **_LAYER_NORM},
    "wavlm": {"model_type": "wavlm", **_WAVEFORM, **_LAYER_NORM},
    "data2vec-audio": {"model_type": "data2vec-audio", **_WAVEFORM, "conv_pos_kernel_size": 5},
    "sew": {"model_type": "sew", **_WAVEFORM, "feat_extract_norm": "layer"},
    "wav2vec2-conformer": {"model_type": "wav2vec2-conformer", **_WAVEFORM, "conv_depthwise_kernel_size": 5},
    "wav2vec2-bert": {"model_type": "wav2vec2-bert", **_SIZES, "conv_depthwise_kernel_size": 5, "layerdrop": 0.5},
    "whisper": {
        "model_type": "whisper",
        "d_model": 32,
        "encoder_layers": 3,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 48,
        "decoder_layers": 1,
        "vocab_size": 64,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 1,
    },
}


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def make():
    """An upstream of a family, every weight random, also those that begin at 0 or 1."""
    pytest.importorskip("transformers", reason="the package transformers is not installed: pip install transformers")
    from summarymixing.upstreams import HuggingFaceUpstream

    def call(family, **options):
        torch.manual_seed(0)
        upstream = HuggingFaceUpstream(config=FAMILIES[family], **options)
        for parameter in upstream.parameters():
            parameter.data += 0.05 * torch.randn(parameter.shape)
        return upstream

    return call
