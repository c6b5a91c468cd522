"""Train a CTC recogniser: python train.py hparams/conformer_summarymixing.yaml [--key value ...]"""

import sys

from speechbrain.utils.distributed import run_on_main

from summarymixing.corpora import librispeech
from summarymixing.corpora.manifest import describe
from summarymixing.errors import command_line
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.synthetic import make_librispeech
from summarymixing.tasks.asr_data import asr_dataset, dynamic_batches, without_short_utterances
from summarymixing.tasks.ctc import CTC
from summarymixing.tasks.tokenizer import load_tokenizer, train_tokenizer


@command_line
def main():
    experiment = load_experiment(sys.argv[1:])
    hparams, folder = experiment.hparams, experiment.run_folder
    record = RunRecord.open(folder, argv=sys.argv, seed=hparams["seed"])

    data_folder = hparams["data_folder"]
    if data_folder is None:
        data_folder = hparams["synthetic_folder"]
        run_on_main(make_librispeech, args=[data_folder, hparams["synthetic_minutes"], hparams["synthetic_seed"]])
    train_split = "+".join(hparams["train_splits"])
    splits = [train_split, hparams["valid_split"], *hparams["test_splits"]]
    manifests = {split: folder / "manifests" / f"{split}.csv" for split in splits}
    run_on_main(librispeech.prepare, args=[data_folder, folder / "manifests", splits, hparams["max_bad_fraction"]])
    record.set("data", describe(manifests))

    train_tokenizer(manifests[train_split], folder / "tokenizer.ckpt", hparams["vocab_size"], hparams["tokenizer_type"])
    tokenizer = load_tokenizer(folder / "tokenizer.ckpt", into=hparams["tokenizer"])
    data = {split: asr_dataset(manifests[split], tokenizer, hparams["sample_rate"]) for split in splits}
    train_set, left_out = without_short_utterances(data[train_split], hparams["model"].frame_counts, tokenizer)
    record.set("utterances_left_out", left_out)

    task = CTC(experiment, record)
    batches = dynamic_batches(
        train_set,
        hparams["max_batch_length"],
        hparams["num_buckets"],
        hparams["max_batch_ex"],
        hparams["seed"],
        hparams["short_first_epochs"],
    )
    loader = {"batch_size": hparams["eval_batch_size"], "num_workers": hparams["num_workers"]}
    task.train(train_set, data[hparams["valid_split"]], batches, loader)
    for split in hparams["test_splits"]:
        result = task.test(split, data[split], loader)
        print(f"{experiment.name} {split}: WER {result['wer']:.2f} %, CER {result['cer']:.2f} %")
    record.finish()


if __name__ == "__main__":
    main()
