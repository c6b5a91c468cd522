"""An experiment: its YAML file, command line, run folder and record."""

from summarymixing.experiment.load import Experiment, load_experiment
from summarymixing.experiment.record import RunRecord
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.experiment.yaml_files import resolve_yaml

__all__ = ["Experiment", "RunFolder", "RunRecord", "load_experiment", "resolve_yaml"]
