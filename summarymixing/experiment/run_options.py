"""SpeechBrain's own run options: all of them, and those that may change within a run or an experiment."""

from speechbrain.utils.run_opts import HELP_TEXTS, RunOptions

#: Options that SpeechBrain reads from the command line or from a top-level key of the YAML file.
RUN_OPTIONS = (set(HELP_TEXTS) & set(RunOptions().as_dict())) | {
    "jit_module_keys",
    "compile_module_keys",
}

#: Options without a value, which are on or off.
FLAGS = {option for option in RUN_OPTIONS if RunOptions().as_dict().get(option) is False}

# Options of output, device and checkpoint intervals.
_OUTSIDE = {
    *("device", "find_unused_parameters", "noprogressbar", "tqdm_colored_bar", "log_config"),
    *("ckpt_interval_minutes", "ckpt_interval_steps"),
}

#: Options that may change when a run resumes.
RESUMABLE = _OUTSIDE | {
    *("optimizer_step_limit", "test_only", "debug", "debug_batches", "debug_epochs", "debug_persistently"),
    *("profile_training", "profile_warmup", "profile_steps"),
}

#: Options that may differ between runs of the same experiment.
NEUTRAL = _OUTSIDE | {"precision", "eval_precision", "distributed_backend", "grad_accumulation_factor"}
