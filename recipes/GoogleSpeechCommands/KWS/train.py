"""Train a classifier of spoken commands: python train.py hparams/FILE.yaml --data_folder FOLDER [--key value ...]"""

import sys
from functools import partial

from speechbrain.utils.distributed import ddp_init_group

from summarymixing.corpora import speech_commands
from summarymixing.data.labels import classification_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.tasks.classification import Classification
from summarymixing.upstreams.pretrained import start_encoder
from summarymixing.utils.allocator import keep_freed_memory
from summarymixing.utils.errors import command_line


@command_line
def main():
    experiment = load_experiment(sys.argv[1:])
    ddp_init_group(experiment.run_opts)  # joins the other processes of torchrun
    keep_freed_memory()
    hparams = experiment.hparams
    record = RunRecord.open(experiment.run_folder, argv=sys.argv, seed=hparams["seed"])
    prepare = partial(
        speech_commands.prepare,
        classes=hparams["classes"],
        version=hparams["version"],
        seed=hparams["data_seed"],
        test_archive=hparams["test_archive"],
    )
    train_set, data, batches = classification_splits(experiment, record, prepare)

    start_encoder(hparams)
    task = Classification(experiment, record)
    loader = {"batch_size": hparams["eval_batch_size"], "num_workers": hparams["num_workers"]}
    task.train(train_set, data[hparams["valid_split"]], batches, loader)
    for split in hparams["test_splits"]:
        task.test(split, data[split], loader)
    record.finish()


if __name__ == "__main__":
    main()
