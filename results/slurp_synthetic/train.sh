#!/usr/bin/env bash
# Trains speech to semantics on SYNTHETIC speech in SLURP's layout, SummaryMixing and RoPE attention at the same time with
# one thread each, each from its own encoder-decoder of results/librispeech_synthetic/train.sh, which must be in runs/, and
# records them here.
# From the root of the project:
#     results/slurp_synthetic/train.sh
set -euo pipefail
python=${PYTHON:-.venv/bin/python}
corpus=data/synthetic-slurp
recipe=recipes/SLURP/SLU/direct
records=results/slurp_synthetic
export OMP_NUM_THREADS=1

"$python" tools/make_corpus.py slurp "$corpus" --minutes 120 --seed 1234

noise="!new:summarymixing.augmentation.ColouredNoise {snr_low: 4, snr_high: 20, slope_high: 1.5, probability: 0.6}"
drop="!new:speechbrain.augment.freq_domain.SpectrogramDrop"
sizes="drop_length_low: 2, drop_length_high: 8, drop_count_low: 1, drop_count_high: 1"
schedule="!new:speechbrain.nnet.schedulers.WarmAndExpDecayLRSchedule"
settings=(
    --data_folder "$corpus" --test_splits "[test]" --vocab_size 250
    --d_model 144 --d_ffn 576 --num_layers 4 --kernel_size 15 --dropout 0.0 --channels "[144, 144]"
    --two_dimensional false --num_decoder_layers 2 --number_of_epochs 10 --max_batch_length 20 --max_batch_ex 64
    --num_buckets 50 --avg_checkpoints 1 --num_workers 0 --ckpt_interval_minutes 3 --noprogressbar
    --valid_search_interval 5 --test_beam_size 4
    --lr 0.001 --lr_schedule "$schedule {lr: 0.001, n_warmup_steps: 500, total_steps: 4800, decay_factor: 0.05}"
    --augment "!new:speechbrain.augment.augmenter.Augmenter {augmentations: [$noise]}"
    --spec_augment "[$drop {$sizes, dim: 1}, $drop {$sizes, dim: 2}]"
)

mkdir -p runs/slurp
runs=(conformer_summarymixing conformer_mhsa)
train() {
    "$python" "$recipe/train.py" "$recipe/hparams/$1.yaml" "${settings[@]}" --output_folder "runs/slurp/$1/3407" \
        --pretrained_encoder "runs/$1/3407"
}
train "${runs[1]}" > "runs/slurp/${runs[1]}.txt" 2>&1 &
other=$!
trap 'kill $other 2> /dev/null || true' EXIT
train "${runs[0]}"
wait $other
OMP_NUM_THREADS=2 "$python" tools/compare.py "runs/slurp/${runs[0]}/3407" "runs/slurp/${runs[1]}/3407" --output "$records"
for run in "${runs[@]}"; do
    mkdir -p "$records/$run/3407"
    cp "runs/slurp/$run/3407/run.json" "$records/$run/3407/"
done
