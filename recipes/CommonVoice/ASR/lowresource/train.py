"""Tune an encoder on few transcripts: python train.py hparams/FILE.yaml --upstream SOURCE --data_folder FOLDER ..."""

import sys
from functools import partial

from speechbrain.utils.distributed import ddp_init_group

from summarymixing.corpora import commonvoice
from summarymixing.data.transcripts import asr_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.tasks.ctc import CTC
from summarymixing.upstreams.tuning import start_upstream
from summarymixing.utils.allocator import keep_freed_memory
from summarymixing.utils.errors import command_line


@command_line
def main():
    experiment = load_experiment(sys.argv[1:])
    ddp_init_group(experiment.run_opts)  # joins the other processes of torchrun
    keep_freed_memory()
    hparams = experiment.hparams
    record = RunRecord.open(experiment.run_folder, argv=sys.argv, seed=hparams["seed"])
    train = {"train_splits": hparams["train_splits"], "max_seconds": hparams["max_seconds"]}
    prepare = partial(commonvoice.prepare, locale=hparams["locale"], **train)
    train_set, data, batches = asr_splits(experiment, record, prepare)

    start_upstream(hparams)
    task = CTC(experiment, record)
    loader = {"batch_size": hparams["eval_batch_size"], "num_workers": hparams["num_workers"]}
    task.train(train_set, data[hparams["valid_split"]], batches, loader)
    for split in hparams["test_splits"]:
        task.test(split, data[split], loader)
    record.finish()


if __name__ == "__main__":
    main()
