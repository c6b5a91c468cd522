#!/usr/bin/env bash
# Compares both runs of train.sh and records them here; transducers also over chunk size and left context, on test-clean.
# From the root of the project:
#     results/librispeech_synthetic/evaluate.sh encoder_decoder
#     results/librispeech_synthetic/evaluate.sh transducer
set -euo pipefail
python=${PYTHON:-.venv/bin/python}
records=results/librispeech_synthetic
case $1 in
    encoder_decoder) runs=(conformer_summarymixing conformer_mhsa) ;;
    transducer) runs=(conformer_transducer_summarymixing_fast conformer_transducer_mhsa) ;;
    *)
        echo "error: '$1': choose encoder_decoder or transducer" >&2
        exit 2 ;;
esac

folders=("${runs[@]/#/runs/}")
folders=("${folders[@]/%//3407}")
if [ "$1" = transducer ]; then
    waiting=()
    for folder in "${folders[@]}"; do
        OMP_NUM_THREADS=1 "$python" tools/evaluate_streaming.py "$folder" --manifest "$folder/manifests/test-clean.csv" &
        waiting+=($!)
    done
    for process in "${waiting[@]}"; do
        wait "$process"
    done
fi
"$python" tools/compare.py "${folders[@]}" --output "$records/$1"
for run in "${runs[@]}"; do
    mkdir -p "$records/$run/3407"
    cp "runs/$run/3407/run.json" "$records/$run/3407/"
    if [ "$1" = transducer ]; then
        cp "runs/$run/3407/streaming.json" "runs/$run/3407/streaming.md" "$records/$run/3407/"
    fi
done
