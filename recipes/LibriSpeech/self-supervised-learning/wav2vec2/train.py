"""Pre-train an encoder on speech alone: python train.py hparams/FILE.yaml --data_folder FOLDER [--key value ...]"""

import sys

from speechbrain.utils.distributed import ddp_init_group

from summarymixing.data.unlabelled import unlabelled_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.tasks.pretraining import Pretraining
from summarymixing.utils.allocator import keep_freed_memory
from summarymixing.utils.errors import command_line


@command_line
def main():
    experiment = load_experiment(sys.argv[1:])
    ddp_init_group(experiment.run_opts)  # joins the other processes of torchrun
    keep_freed_memory()
    hparams = experiment.hparams
    record = RunRecord.open(experiment.run_folder, argv=sys.argv, seed=hparams["seed"])
    train_set, valid_set, batches = unlabelled_splits(experiment, record)

    task = Pretraining(experiment, record)
    loader = {"batch_size": hparams["eval_batch_size"], "num_workers": hparams["num_workers"]}
    task.train(train_set, valid_set, batches, loader)
    task.test("valid", valid_set, loader)
    record.finish()


if __name__ == "__main__":
    main()
