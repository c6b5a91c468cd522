"""Train a CTC recogniser: python train.py hparams/conformer_summarymixing.yaml [--key value ...]"""

import sys

from speechbrain.utils.distributed import ddp_init_group, run_on_main

from summarymixing.corpora import librispeech
from summarymixing.data.transcripts import asr_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.synthetic import make_librispeech
from summarymixing.tasks.ctc import CTC
from summarymixing.utils.allocator import keep_freed_memory
from summarymixing.utils.errors import command_line


@command_line
def main():
    experiment = load_experiment(sys.argv[1:])
    ddp_init_group(experiment.run_opts)  # joins the other processes of torchrun
    keep_freed_memory()
    hparams = experiment.hparams
    record = RunRecord.open(experiment.run_folder, argv=sys.argv, seed=hparams["seed"])
    if hparams["data_folder"] is None:
        hparams["data_folder"] = folder = hparams["synthetic_folder"]
        run_on_main(make_librispeech, args=[folder, hparams["synthetic_minutes"], hparams["synthetic_seed"]])
    train_set, data, batches = asr_splits(experiment, record, librispeech.prepare)

    task = CTC(experiment, record)
    loader = {"batch_size": hparams["eval_batch_size"], "num_workers": hparams["num_workers"]}
    task.train(train_set, data[hparams["valid_split"]], batches, loader)
    for split in hparams["test_splits"]:
        task.test(split, data[split], loader)
    record.finish()


if __name__ == "__main__":
    main()
