"""Fine-tune an encoder with CTC: python train.py hparams/FILE.yaml --pretrained_encoder RUN [--key value ...]"""

import sys

from speechbrain.utils.distributed import ddp_init_group

from summarymixing.data.transcripts import asr_splits
from summarymixing.decoding.ngram import check_language_model
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.tasks.ctc import CTC
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
    # Now, and not after days of training.
    check_language_model(hparams["ngram_lm"], hparams["test_beam_size"])
    train_set, data, batches = asr_splits(experiment, record, hparams["prepare"])

    start_encoder(hparams)
    task = CTC(experiment, record)
    loader = {"batch_size": hparams["eval_batch_size"], "num_workers": hparams["num_workers"]}
    task.train(train_set, data[hparams["valid_split"]], batches, loader)
    for split in hparams["test_splits"]:
        searches = {split: None}
        if hparams["test_beam_size"] > 1:
            searches[f"{split}_beam{hparams['test_beam_size']}"] = hparams["beam_search"](hparams["tokenizer"])
        for name, search in searches.items():
            task.test(name, data[split], loader, search)
    record.finish()


if __name__ == "__main__":
    main()
