"""What of an upstream is trained: nothing, the mixers of some layers, swapped or not, or all of it (2602.09043)."""

import copy

from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.tag import Tag

from summarymixing.experiment.run_folder import RunFolder
from summarymixing.upstreams.encoder_folder import encoder_node
from summarymixing.upstreams.from_run import RunUpstream
from summarymixing.upstreams.huggingface import HuggingFaceUpstream, read_configuration
from summarymixing.upstreams.swap import chosen_layers, encoder_layers, replace_mixers, swapped_mixers
from summarymixing.utils.errors import InputError

TRAINED = ("nothing", "mixers", "all")


def load_upstream(source, frozen=True):
    """A trained encoder, whoever made it.

    Parameters
    ----------
    source : str or os.PathLike
        A finished run or an exported encoder of this project; or a folder of Hugging Face, or a name on its hub.
    frozen : bool
        Never train it.

    Returns
    -------
    Upstream

    Raises
    ------
    InputError
        If it cannot be loaded.

    Examples
    --------
    >>> load_upstream("no/such/run")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    summarymixing.utils.errors.InputError: no/such/run: no ...
    """
    if RunFolder(source).hyperparams.is_file():
        return RunUpstream(source, frozen)
    return HuggingFaceUpstream(source, frozen)


def upstream_node(source):
    """The YAML of an upstream, for ``!applyref:`` in an experiment that starts from it; its weights are not in it.

    Parameters
    ----------
    source : str or os.PathLike
        As :func:`load_upstream` takes it.

    Returns
    -------
    ruamel.yaml.comments.CommentedMap
        With its tag: what the run folder needs to build the upstream anew without the source.

    Raises
    ------
    InputError
        If it cannot be loaded.
    """
    if RunFolder(source).hyperparams.is_file():
        node = CommentedMap(speech_encoder=encoder_node(source))
        node.yaml_set_ctag(_tag("RunUpstream"))
    else:
        config, preprocessor = (_plain(part.to_dict()) for part in read_configuration(source))
        config = {key: value for key, value in config.items() if key not in _NOT_THE_MODEL}
        node = CommentedMap(config=config, preprocessor=preprocessor)
        node.yaml_set_ctag(_tag("HuggingFaceUpstream"))
    node["frozen"] = False
    return node


def _tag(name):
    return Tag(suffix=f"!new:summarymixing.upstreams.{name}")


def _plain(value):
    """Without what YAML cannot hold, such as a window as an array."""
    if isinstance(value, dict):
        kept = {str(key): item for key, item in value.items() if item is None or isinstance(item, _PLAIN)}
        return {key: _plain(item) for key, item in kept.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


#: Of a configuration: where it came from, and heads.
_NOT_THE_MODEL = {
    "_name_or_path",
    "architectures",
    "dtype",
    "id2label",
    "label2id",
    "torch_dtype",
    "transformers_version",
}
_PLAIN = (str, bool, int, float, list, tuple, dict)


def tune(upstream, layers="last 0", mixer=None, train="mixers"):
    """Swap the mixers of some layers, or not, and say what of the upstream is trained.

    Parameters
    ----------
    upstream : Upstream
        Not frozen; changed.
    layers : str or list of int
        ``"last 2"``, ``"all"`` or numbers, see :func:`~summarymixing.upstreams.swap.chosen_layers`.
    mixer : callable, optional
        ``mixer(d_model)`` takes the place of what mixes in these layers; None leaves it.
    train : str
        "nothing"; "mixers", those of ``layers``; or "all". What is not trained is in evaluation mode and has no
        gradient, and no graph is kept below the first layer that trains.

    Returns
    -------
    Upstream
        The same one.

    Raises
    ------
    InputError
        For layers that are not there, or another ``train``.

    Examples
    --------
    >>> from summarymixing.lobes import (
    ...     ConformerEncoder, ConvolutionalFrontEnd, GlobalNormalization, LogMel, SpeechEncoder
    ... )
    >>> encoder = ConformerEncoder(3, 64, 128)
    >>> speech = SpeechEncoder(LogMel(), GlobalNormalization(80), ConvolutionalFrontEnd(80), encoder)
    >>> upstream = tune(RunUpstream(speech_encoder=speech, frozen=False), "last 1")
    >>> {name.partition(".mixer.")[0] for name, weight in upstream.named_parameters() if weight.requires_grad}
    {'speech_encoder.encoder.layers.2'}
    """
    if train not in TRAINED:
        raise InputError(f"train: {train!r} is none of {', '.join(TRAINED)}")
    if mixer is not None:
        replace_mixers(upstream, layers, mixer)
    if train != "all":
        upstream.train_only(mixers_of(upstream, layers).values() if train == "mixers" else ())
    return upstream


def mixers_of(model, layers):
    """What mixes along time in some layers of an encoder, by their numbers.

    Parameters
    ----------
    model : torch.nn.Module
        As :func:`~summarymixing.upstreams.swap.encoder_layers` takes it.
    layers : str or list of int
        As :func:`~summarymixing.upstreams.swap.chosen_layers` takes it.

    Returns
    -------
    dict of int to torch.nn.Module
    """
    modules, name = encoder_layers(model)
    return {number: getattr(modules[number], name) for number in chosen_layers(layers, len(modules))}


def start_upstream(hparams):
    """Give the upstream of an experiment the weights of its source; swapped mixers keep their own.

    Call it before the task is made, at every start: a run that goes on loads its own checkpoint over it.

    Parameters
    ----------
    hparams : dict
        With ``model`` (:class:`~summarymixing.lobes.UpstreamCTC`), ``upstream`` (the source), ``layers`` and ``mixer``
        as :func:`tune` has taken them, and ``reinitialise``: leave what mixes in ``layers`` at random, though the
        source has it.

    Raises
    ------
    InputError
        If the source does not fit.
    """
    upstream, layers = hparams["model"].upstream, hparams["layers"]
    loaded = load_upstream(hparams["upstream"], frozen=False)
    if hparams["mixer"] is not None:
        own = iter([swapped_mixers(upstream)[number] for number in mixers_of(upstream, layers)])
        replace_mixers(loaded, layers, lambda size: copy.deepcopy(next(own)))
    weights = loaded.state_dict()
    if hparams["reinitialise"]:
        names = {module: name for name, module in upstream.named_modules()}
        prefixes = tuple(names[part] + "." for part in mixers_of(upstream, layers).values())
        weights.update({name: value for name, value in upstream.state_dict().items() if name.startswith(prefixes)})
    try:
        upstream.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"{hparams['upstream']}: is no longer the encoder that this run has started from; put it back, or choose "
            "another --output_folder"
        ) from error
