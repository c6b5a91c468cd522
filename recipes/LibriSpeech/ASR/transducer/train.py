"""Train a streaming transducer on LibriSpeech: python train.py hparams/FILE.yaml --data_folder FOLDER [--key value]"""

import sys

from speechbrain.utils.distributed import ddp_init_group

from summarymixing.corpora import librispeech
from summarymixing.data.transcripts import asr_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.tasks.transducer import Transducer
from summarymixing.utils.allocator import keep_freed_memory
from summarymixing.utils.errors import command_line


@command_line
def main():
    experiment = load_experiment(sys.argv[1:])
    ddp_init_group(experiment.run_opts)  # joins the other processes of torchrun
    keep_freed_memory()
    hparams = experiment.hparams
    record = RunRecord.open(experiment.run_folder, argv=sys.argv, seed=hparams["seed"])
    train_set, data, batches = asr_splits(experiment, record, librispeech.prepare)

    task = Transducer(experiment, record)
    loader = {"batch_size": hparams["eval_batch_size"], "num_workers": hparams["num_workers"]}
    task.train(train_set, data[hparams["valid_split"]], batches, loader)

    searches = {"": hparams["decoder"]}
    if hparams["test_beam_size"] > 1:
        searches[f"_beam{hparams['test_beam_size']}"] = hparams["beam_decoder"]
    for split in hparams["test_splits"]:
        for suffix, search in searches.items():
            task.test(split + suffix, data[split], loader, search)
    record.finish()


if __name__ == "__main__":
    main()
