"""Encoders of Hugging Face's transformers as upstreams: waveforms in, all hidden states and real frame counts out."""

import inspect
import math
import re
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from summarymixing.ops.masks import padding_mask_from_counts, sample_counts
from summarymixing.upstreams.swap import encoder_layers, replace_mixers
from summarymixing.upstreams.swapped_folder import SWAP, load_swapped, mixer_factory
from summarymixing.upstreams.upstream import Upstream
from summarymixing.utils.errors import InputError

#: Configuration of families that give an utterance other numbers in another batch, whatever mask they have: those with
#: a norm over all frames or convolutions that padding leaks into. Their utterances are encoded one after the other.
_BATCH_MATTERS = {"data2vec-audio", "sew", "wav2vec2-conformer"}
_STRIDES = {"whisper": 2, "wav2vec2-bert": 2}


def _transformers():
    try:
        import transformers
    except ImportError as error:
        raise InputError(
            "Hugging Face's models need the package transformers: pip install 'transformers>=4.45,<6'"
        ) from error
    return transformers


class HuggingFaceUpstream(Upstream):
    """An encoder of Hugging Face: wav2vec 2.0, XLS-R, MMS, HuBERT, WavLM, data2vec-audio, SEW, w2v-BERT 2 or Whisper.

    The waveform is normalised, or made features of, as the model's own preprocessor says. Layers are never dropped and
    features are never masked, also in training. What leaves the last layer is the model's own output, in every version
    of transformers. Utterances of families that depend on the batch by design (group norm in wav2vec2-base, leaking
    padding in data2vec-audio, SEW) are encoded one after the other. Whisper's encoder, whose table of positions
    transformers uses whole, 30 s of it, is cut to the utterance.

    Parameters
    ----------
    source : str or os.PathLike, optional
        A folder, or a name on the hub, from which ``AutoModel`` loads. A folder that
        :func:`~summarymixing.upstreams.save_swapped` has written has its mixers.
    frozen : bool
        Never train it.
    config, preprocessor : dict, optional
        In place of ``source``: build the model with random weights from ``config``, a configuration's ``to_dict()``.

    Raises
    ------
    InputError
        If transformers is missing, or the source cannot be loaded or is of no known family.

    Examples
    --------
    ::

        upstream = HuggingFaceUpstream("facebook/wav2vec2-xls-r-300m")
        states, counts = upstream(wavs, wav_lens)  # 25 of (B, T, 1024), a frame every 20 ms
    """

    def __init__(self, source=None, frozen=True, config=None, preprocessor=None):
        model, extractor = _load(source) if config is None else _build(config, preprocessor)
        kind, options = model.config.model_type, model.config
        if hasattr(options, "layerdrop"):
            options.layerdrop = 0.0
        if hasattr(options, "apply_spec_augment"):
            options.apply_spec_augment = False
        layers, _ = encoder_layers(model)
        rate = int(extractor.sampling_rate)
        size = options.d_model if kind == "whisper" else options.hidden_size
        hop = _STRIDES[kind] * 0.01 if kind in _STRIDES else math.prod(options.conv_stride) / rate
        super().__init__(rate, hop, size, len(layers), frozen)
        self.model = model
        self.kind, self.extractor = kind, extractor
        self.one_by_one = kind in _BATCH_MATTERS or getattr(options, "feat_extract_norm", None) == "group"
        self.train(not frozen)

    def frame_counts(self, sample_counts):
        """See :meth:`~summarymixing.upstreams.Upstream.frame_counts`."""
        if self.kind in _STRIDES:
            return super().frame_counts(sample_counts)
        whole = torch.as_tensor(sample_counts).clamp(min=_shortest(self.model.config))
        return self.model._get_feat_extract_output_lengths(whole).long()

    def encode(self, wavs, wav_lens=None):
        """See :meth:`~summarymixing.upstreams.Upstream.forward`."""
        counts = sample_counts(wavs, wav_lens)
        if self.one_by_one and len(wavs) > 1:
            rows = [self._encode(wavs[row : row + 1, :count], [count]) for row, count in enumerate(counts.tolist())]
            states = [
                pad_sequence([state[0] for state in same], True) for same in zip(*[s for s, _ in rows], strict=True)
            ]
            return states, torch.cat([count for _, count in rows])
        states, frames = self._encode(wavs, counts.tolist())
        padding = padding_mask_from_counts(frames, states[0].shape[1], wavs.device)
        if padding is not None:
            states = [state.masked_fill(padding.unsqueeze(-1), 0.0) for state in states]
        return states, frames

    def _encode(self, wavs, counts):
        states, hooks = [], []
        layers, _ = encoder_layers(self.model)
        hooks.append(layers[0].register_forward_pre_hook(lambda _, args: states.append(args[0])))
        hooks += [layer.register_forward_hook(lambda _m, _a, y: states.append(_first(y))) for layer in layers]
        try:
            output, frames = self._call(wavs, counts)
        finally:
            for hook in hooks:
                hook.remove()
        if self.kind == "sew":  # whose layers have fewer frames than the output
            squeezed = [state.repeat_interleave(self.model.config.squeeze_factor, 1) for state in states[:-1]]
            states = [F.pad(x, (0, 0, 0, max(0, output.shape[1] - x.shape[1])))[:, : output.shape[1]] for x in squeezed]
            return [*states, output], frames
        return [*states[:-1], output], frames

    def _call(self, wavs, counts):
        """The output of the last layer, and the real frames of each row."""
        if self.kind in ("whisper", "wav2vec2-bert"):
            rows = [wav[:count].float().cpu().numpy() for wav, count in zip(wavs, counts, strict=True)]
            return (self._whisper if self.kind == "whisper" else self._features)(rows, wavs)
        rows = [_normalised(wav[:count], self.extractor.do_normalize) for wav, count in zip(wavs, counts, strict=True)]
        shortest = _shortest(self.model.config)
        values = pad_sequence([F.pad(row, (0, max(0, shortest - len(row)))) for row in rows], True)
        lengths = torch.tensor([max(shortest, count) for count in counts])
        real = torch.arange(values.shape[1]) < lengths[:, None]
        frames = self.model._get_feat_extract_output_lengths(lengths).long()
        whole = bool(real.all())
        output = self.model(values, attention_mask=None if whole else real.long().to(wavs.device))
        return output.last_hidden_state, frames

    def _features(self, rows, wavs):
        # Two windows of 25 ms: features are normalised by their variance, and two make a frame.
        rows = [_at_least(row, 560) for row in rows]
        parts = [self.extractor(row, sampling_rate=self.sample_rate, return_tensors="pt") for row in rows]
        lengths = torch.tensor([int(part["attention_mask"].sum()) for part in parts])
        features = pad_sequence([part["input_features"][0, :n] for part, n in zip(parts, lengths, strict=True)], True)
        real = torch.arange(features.shape[1]) < lengths[:, None]
        mask = None if bool(real.all()) else real.long().to(wavs.device)
        return self.model(features.to(wavs), attention_mask=mask).last_hidden_state, lengths

    def _whisper(self, rows, wavs):
        """As ``WhisperEncoder.forward``, for as many frames as there are."""
        # A frame of features needs its window, mirrored at both ends.
        rows = [_at_least(row, self.extractor.n_fft) for row in rows]
        options = {"sampling_rate": self.sample_rate, "return_tensors": "pt", "padding": "longest", "truncation": False}
        features = [self.extractor(row, **options)["input_features"][0].T for row in rows]
        lengths = torch.tensor([len(feature) for feature in features])
        model, x = self.model, pad_sequence(features, True).to(wavs).transpose(1, 2)
        frames = (lengths - 1) // 2 + 1
        most = len(model.embed_positions.weight)
        if int(frames.max()) > most:
            seconds = most * self.frame_seconds
            raise InputError(f"Whisper's encoder has positions for {seconds:g} s; cut longer recordings (max_seconds)")
        x = F.gelu(model.conv1(x)).masked_fill(_behind(lengths, x).unsqueeze(1), 0.0)
        x = F.gelu(model.conv2(x)).transpose(1, 2)
        behind = _behind(frames, x.transpose(1, 2))
        x = x + model.embed_positions.weight[: x.shape[1]]
        x = F.dropout(x.masked_fill(behind.unsqueeze(-1), 0.0), model.dropout, model.training)
        mask = None
        if bool(behind.any()):
            mask = torch.zeros_like(behind, dtype=x.dtype).masked_fill(behind, torch.finfo(x.dtype).min)[:, None, None]
            mask = mask.expand(-1, 1, x.shape[1], -1)
        for layer in model.layers:
            more = {"layer_head_mask": None} if "layer_head_mask" in inspect.signature(layer.forward).parameters else {}
            x = _first(layer(x, mask, **more))
        return model.layer_norm(x), frames


def _first(output):
    return output[0] if isinstance(output, tuple) else output


def _normalised(wav, normalise):
    return (wav - wav.mean()) / torch.sqrt(wav.var(correction=0) + 1e-7) if normalise else wav


def _shortest(config):
    """Samples of the first frame; SEW's layers need as many frames as they squeeze into one."""
    steps = [math.prod(config.conv_stride[:layer]) for layer in range(len(config.conv_stride) + 1)]
    frame = 1 + sum((kernel - 1) * step for kernel, step in zip(config.conv_kernel, steps[:-1], strict=True))
    return frame + (getattr(config, "squeeze_factor", 1) - 1) * steps[-1]


def _at_least(row, samples):
    return row if len(row) >= samples else F.pad(torch.from_numpy(row), (0, samples - len(row))).numpy()


def _behind(lengths, x):
    """(B, T) bool, True = behind the end, for (B, D, T)."""
    return (torch.arange(x.shape[2]) >= lengths[:, None]).to(x.device)


def _extractor(transformers, source, config):
    try:
        return transformers.AutoFeatureExtractor.from_pretrained(source)
    except (OSError, ValueError):  # no preprocessor_config.json beside the weights
        return _default_extractor(transformers, config)


def _default_extractor(transformers, config, options=None):
    options = dict(options or {})
    if config.model_type == "whisper":
        return transformers.WhisperFeatureExtractor(**{"feature_size": config.num_mel_bins, **options})
    if config.model_type == "wav2vec2-bert":
        return transformers.SeamlessM4TFeatureExtractor(**options)
    return transformers.Wav2Vec2FeatureExtractor(**options)


def read_configuration(source):
    """What a model is and what it is given, without its weights.

    Parameters
    ----------
    source : str or os.PathLike
        A folder, or a name on the hub.

    Returns
    -------
    transformers.PretrainedConfig
        Of the model.
    transformers.FeatureExtractionMixin
        Its preprocessor; the family's default where the source has none.

    Raises
    ------
    InputError
        If transformers is missing, or there is no such model.
    """
    transformers, source = _transformers(), str(source)
    with _named(source):
        config = transformers.AutoConfig.from_pretrained(source)
    return config, _extractor(transformers, source, config)


def _load(source):
    config, extractor = read_configuration(source)
    with _named(str(source)):
        swapped = getattr(config, SWAP, None)
        model = load_swapped(empty_model(config), source) if swapped else _trained(config, str(source))
    return model.float(), extractor


@contextmanager
def _named(source):
    """Errors of transformers in one line that names the source."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:
        message = " ".join(str(error).split())
        raise InputError(f"{source}: no model of Hugging Face: {message}; give its folder or its name there") from error


def _trained(config, source):
    """The encoder with the weights of a source; transformers would leave what it lacks at random."""
    transformers, options = _transformers(), {"output_loading_info": True}
    if config.model_type != "whisper":
        model, found = transformers.AutoModel.from_pretrained(source, **options)
    elif "WhisperEncoder" in (config.architectures or ()):
        # The encoder alone is a model without decoder; AutoModel would make a decoder of random weights.
        model, found = _whisper_encoder().from_pretrained(source, **options)
    else:
        model, found = transformers.WhisperModel.from_pretrained(source, **options)
        model = model.get_encoder()
    # A vector for masked frames is not used; names of a weight norm changed, and are listed though they are loaded.
    missing = sorted(
        name
        for name in found["missing_keys"]
        if not re.search(r"masked_spec_embed|parametrizations|^decoder\.|\.decoder\.", name)
    )
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{source}: its weights lack {missing[0]}{more}; give a folder with the whole encoder")
    return model


def _build(config, preprocessor):
    transformers = _transformers()
    config = transformers.AutoConfig.for_model(**config)
    return empty_model(config).float(), _default_extractor(transformers, config, preprocessor)


def empty_model(config):
    """A model of random weights, with the mixers that its configuration says were swapped in.

    Parameters
    ----------
    config : transformers.PretrainedConfig
        Of the encoder.

    Returns
    -------
    torch.nn.Module
    """
    whisper = config.model_type == "whisper"
    model = _whisper_encoder()(config) if whisper else _transformers().AutoModel.from_config(config)
    swap = getattr(config, SWAP, None)
    if swap:
        replace_mixers(model, swap["layers"], mixer_factory(swap["mixer"]))
    return model


def _whisper_encoder() -> type[nn.Module]:
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    return WhisperEncoder
