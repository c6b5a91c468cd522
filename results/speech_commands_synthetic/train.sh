#!/usr/bin/env bash
# Trains keyword spotters on SYNTHETIC speech in the layout of Speech Commands, SummaryMixing and RoPE attention at the
# same time with one thread each, and records them here. From the root of the project:
#     results/speech_commands_synthetic/train.sh
set -euo pipefail
python=${PYTHON:-.venv/bin/python}
corpus=data/synthetic-speech-commands
recipe=recipes/GoogleSpeechCommands/KWS
records=results/speech_commands_synthetic
export OMP_NUM_THREADS=1

"$python" tools/make_corpus.py speech_commands "$corpus" --per-word 400 --seed 1234

settings=(
    --data_folder "$corpus" --d_model 96 --num_layers 3 --channels "[96, 96]" --two_dimensional false
    --number_of_epochs 40 --max_batch_length 32 --max_batch_ex 32 --lr 0.002 --avg_checkpoints 3 --num_workers 0
    --ckpt_interval_minutes 3 --noprogressbar
)
mkdir -p runs/speech_commands
runs=(conformer_summarymixing conformer_mhsa)
train() {
    "$python" "$recipe/train.py" "$recipe/hparams/$1.yaml" "${settings[@]}" --output_folder "runs/speech_commands/$1/3407"
}
train "${runs[1]}" > "runs/speech_commands/${runs[1]}.txt" 2>&1 &
other=$!
trap 'kill $other 2> /dev/null || true' EXIT
train "${runs[0]}"
wait $other
folders=("runs/speech_commands/${runs[0]}/3407" "runs/speech_commands/${runs[1]}/3407")
OMP_NUM_THREADS=2 "$python" tools/compare.py "${folders[@]}" --output "$records"
for run in "${runs[@]}"; do
    mkdir -p "$records/$run/3407"
    cp "runs/speech_commands/$run/3407/run.json" "$records/$run/3407/"
done
