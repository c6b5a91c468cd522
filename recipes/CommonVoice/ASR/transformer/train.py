"""Train an encoder-decoder on Common Voice: python train.py hparams/FILE.yaml --data_folder FOLDER [--key value ...]"""

import sys
from functools import partial

from speechbrain.utils.distributed import ddp_init_group

from summarymixing.corpora import commonvoice
from summarymixing.data.transcripts import asr_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.tasks.seq2seq import Seq2Seq
from summarymixing.utils.allocator import keep_freed_memory
from summarymixing.utils.distributed import process_count
from summarymixing.utils.errors import command_line


@command_line
def main():
    experiment = load_experiment(sys.argv[1:])
    ddp_init_group(experiment.run_opts)  # joins the other processes of torchrun
    keep_freed_memory()
    hparams = experiment.hparams
    record = RunRecord.open(experiment.run_folder, argv=sys.argv, seed=hparams["seed"])
    prepare = partial(
        commonvoice.prepare,
        locale=hparams["locale"],
        max_seconds=hparams["max_seconds"],
        train_splits=hparams["train_splits"],
        max_characters_per_second=hparams["max_characters_per_second"],
    )
    train_set, data, batches = asr_splits(experiment, record, prepare)
    # Every language and release has another number of batches.
    normalize = hparams["model"].speech_encoder.normalize
    normalize.num_batches = hparams["normalization_epochs"] * len(batches) // process_count()

    task = Seq2Seq(experiment, record)
    loader = {"batch_size": hparams["eval_batch_size"], "num_workers": hparams["num_workers"]}
    task.train(train_set, data[hparams["valid_split"]], batches, loader)
    for split in hparams["test_splits"]:
        searches = {split: hparams["decoder"], f"{split}_greedy": hparams["greedy_decoder"]}
        for name, search in searches.items():
            task.test(name, data[split], loader, search)
    record.finish()


if __name__ == "__main__":
    main()
