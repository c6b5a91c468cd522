#!/usr/bin/env bash
# Trains small encoder-decoders on SYNTHETIC French in Common Voice's layout, SummaryMixing and RoPE attention at the same
# time with one thread each, and records them here; only the mixer differs, and what merges it. The records of earlier
# runs lie in fr_small_*, which is how the two YAML files were called. From the root of the project:
#     results/common_voice_synthetic/train.sh
set -euo pipefail
python=${PYTHON:-.venv/bin/python}
corpus=data/synthetic-common-voice-fr
recipe=recipes/CommonVoice/ASR/transformer
records=results/common_voice_synthetic
export OMP_NUM_THREADS=1

"$python" tools/make_corpus.py common_voice "$corpus" --locale fr --minutes 140 --seed 1234

noise="!new:summarymixing.data.augmentation.ColouredNoise {snr_low: 4, snr_high: 20, slope_high: 1.5, probability: 0.6}"
drop="!new:speechbrain.augment.freq_domain.SpectrogramDrop"
sizes="drop_length_low: 2, drop_length_high: 8, drop_count_low: 1, drop_count_high: 1"
schedule="!new:speechbrain.nnet.schedulers.WarmAndExpDecayLRSchedule"
settings=(
    --data_folder "$corpus" --locale fr --tokenizer_type char --vocab_size 40
    --d_model 144 --d_ffn 576 --nhead 4 --num_layers 4 --num_decoder_layers 2 --csgu_linear_units 576 --kernel_size 15
    --dropout 0.0 --channels "[144, 144]" --two_dimensional false --number_of_epochs 20 --max_batch_length 20
    --max_batch_ex 64 --num_buckets 50 --short_first_epochs 1 --avg_checkpoints 1 --num_workers 0
    --grad_accumulation_factor 1 --ckpt_interval_minutes 3 --noprogressbar --valid_search_interval 5 --test_beam_size 4
    --lr 0.0025 --lr_schedule "$schedule {lr: 0.0025, n_warmup_steps: 1000, total_steps: 8400, decay_factor: 0.02}"
    --augment "!new:speechbrain.augment.augmenter.Augmenter {augmentations: [$noise]}"
    --spec_augment "[$drop {$sizes, dim: 1}, $drop {$sizes, dim: 2}]"
)

mkdir -p runs
runs=(small_summarymixing small_mhsa)
"$python" "$recipe/train.py" "$recipe/hparams/${runs[1]}.yaml" "${settings[@]}" > "runs/${runs[1]}.txt" 2>&1 &
other=$!
trap 'kill $other 2> /dev/null || true' EXIT
# As recorded, without the LayerNorm that the published cell has.
"$python" "$recipe/train.py" "$recipe/hparams/${runs[0]}.yaml" "${settings[@]}" --mixer "{use_layernorm: false}"
wait $other
OMP_NUM_THREADS=2 "$python" tools/compare.py "runs/${runs[0]}/fr/3407" "runs/${runs[1]}/fr/3407" --output "$records"
for run in "${runs[@]}"; do
    mkdir -p "$records/$run/fr/3407"
    cp "runs/$run/fr/3407/run.json" "$records/$run/fr/3407/"
done
