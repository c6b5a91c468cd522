#!/usr/bin/env bash
# Trains keyword spotters on SYNTHETIC speech in the layout of Speech Commands, SummaryMixing and RoPE attention at the
# same time with one thread each, and records them here. From the root of the project:
#     results/speech_commands_synthetic/train.sh
set -euo pipefail
python=${PYTHON:-.venv/bin/python}
corpus=data/synthetic-speech-commands
recipe=recipes/GoogleSpeechCommands/KWS
export OMP_NUM_THREADS=1

"$python" tools/make_corpus.py speech_commands "$corpus" --per-word 200 --seed 1234

settings=(
    --data_folder "$corpus" --d_model 96 --num_layers 3 --channels "[96, 96]" --two_dimensional false
    --number_of_epochs 20 --max_batch_length 32 --max_batch_ex 32 --lr 0.002 --avg_checkpoints 3 --num_workers 0
    --ckpt_interval_minutes 3 --noprogressbar
)
mkdir -p runs/speech_commands
train() {
    "$python" "$recipe/train.py" "$recipe/hparams/$1.yaml" "${settings[@]}" --output_folder "runs/speech_commands/$1/3407"
}
train conformer_mhsa > runs/speech_commands/conformer_mhsa.txt 2>&1 &
other=$!
trap 'kill $other 2> /dev/null || true' EXIT
train conformer_summarymixing
wait $other
for run in conformer_summarymixing conformer_mhsa; do
    mkdir -p "results/speech_commands_synthetic/$run/3407"
    cp "runs/speech_commands/$run/3407/run.json" "results/speech_commands_synthetic/$run/3407/"
done
