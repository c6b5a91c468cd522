"""Old names of modules, from version 0.1, which YAML files in run folders and users' code still import."""

import importlib
import importlib.abc
import importlib.machinery
import sys

#: Old name and new name, both within ``summarymixing``.
MOVED = {
    "allocator": "utils.allocator",
    "arguments": "experiment.arguments",
    "augmentation": "data.augmentation",
    "classifying": "inference.classifier",
    "comparison": "reports.comparison",
    "errors": "utils.errors",
    "fetching": "utils.fetching",
    "files": "utils.files",
    "lobes.beam_search": "decoding.beam_search",
    "lobes.branchformer": "lobes.encoders.branchformer",
    "lobes.classifier": "lobes.models.classifier",
    "lobes.conformer": "lobes.encoders.conformer",
    "lobes.contextnet": "lobes.frontends.contextnet",
    "lobes.convolution": "lobes.encoders.convolution",
    "lobes.ctc": "lobes.models.ctc",
    "lobes.encoder": "lobes.encoders.stack",
    "lobes.encoder_decoder": "lobes.models.encoder_decoder",
    "lobes.features": "lobes.frontends.features",
    "lobes.frontend": "lobes.frontends.subsampling",
    "lobes.incremental_decoder": "decoding.incremental_decoder",
    "lobes.language_model": "decoding.language_model",
    "lobes.masks": "ops.masks",
    "lobes.speech_encoder": "lobes.models.speech_encoder",
    "lobes.transducer": "lobes.models.transducer",
    "lobes.transformer": "lobes.encoders.transformer",
    "lobes.transformer_asr": "lobes.models.transformer_asr",
    "measures": "metrics.measures",
    "ngram": "decoding.ngram",
    "pretrained": "upstreams.pretrained",
    "progress": "utils.progress",
    "reference": "mixers.reference",
    "run_folder": "experiment.run_folder",
    "run_record": "experiment.record",
    "running_sums": "ops.running_sums",
    "seeds": "utils.seeds",
    "slu": "metrics.slu",
    "streaming": "inference.stream",
    "streaming_table": "reports.streaming_table",
    "summaries": "ops.means",
    "tables": "reports.tables",
    "tasks.asr_data": "data.transcripts",
    "tasks.base": "training.task",
    "tasks.classification_data": "data.labels",
    "tasks.scoring": "metrics.wer",
    "tasks.tokenizer": "data.tokenizer",
    "yaml_files": "experiment.yaml_files",
}


class MovedModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import a module of `MOVED` by its old name: the same module object as by the new name.

    Parameters
    ----------
    package : str
        The package of both names.

    Examples
    --------
    >>> import summarymixing.errors, summarymixing.utils.errors
    >>> summarymixing.errors is summarymixing.utils.errors
    True
    """

    def __init__(self, package):
        self.package = package

    def find_spec(self, fullname, path=None, target=None):
        """Find a module by its old name; None for all other names."""
        if fullname.removeprefix(f"{self.package}.") in MOVED and fullname.startswith(f"{self.package}."):
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def create_module(self, spec):
        """Import the module by its new name."""
        module = importlib.import_module(f"{self.package}.{MOVED[spec.name.removeprefix(f'{self.package}.')]}")
        self.specs = {**getattr(self, "specs", {}), spec.name: module.__spec__}
        return module

    def exec_module(self, module):
        """Restore the module's spec, which importing by the old name has changed."""
        module.__spec__ = self.specs.pop(module.__spec__.name)


def install(package):
    """Let the old names be imported; names that exist have precedence.

    Parameters
    ----------
    package : str
        The package of both names.

    Examples
    --------
    >>> install("summarymixing")  # the package does it when it is imported; a second call changes nothing
    """
    if not any(isinstance(finder, MovedModules) and finder.package == package for finder in sys.meta_path):
        sys.meta_path.append(MovedModules(package))
