#!/usr/bin/env bash
# Trains small encoder-decoders or transducers on the built-in corpus of SYNTHETIC speech, SummaryMixing and RoPE attention
# at the same time with one thread each; only the mixer differs within a pair. From the root of the project:
#     results/librispeech_synthetic/train.sh encoder_decoder
#     results/librispeech_synthetic/train.sh transducer
# Their records are in this folder; evaluate.sh puts them there.
set -euo pipefail
task=$1
python=${PYTHON:-.venv/bin/python}
corpus=data/synthetic-librispeech
recipes=recipes/LibriSpeech/ASR
export OMP_NUM_THREADS=1

"$python" tools/make_corpus.py librispeech "$corpus" --minutes 250 --seed 1234

noise="!new:summarymixing.augmentation.ColouredNoise {snr_low: 4, snr_high: 20, slope_high: 1.5, probability: 0.6}"
drop="!new:speechbrain.augment.freq_domain.SpectrogramDrop"
sizes="drop_length_low: 2, drop_length_high: 8, drop_count_low: 1, drop_count_high: 1"
settings=(
    --data_folder "$corpus" --train_splits "[train-clean-100]" --test_splits "[test-clean, test-other]"
    --tokenizer_type char --d_model 144 --d_ffn 576 --num_layers 4 --kernel_size 15 --dropout 0.0
    --channels "[144, 144]" --two_dimensional false --max_batch_length 20 --max_batch_ex 64
    --num_buckets 50 --short_first_epochs 1 --avg_checkpoints 1 --num_workers 0 --grad_accumulation_factor 1
    --ckpt_interval_minutes 3 --lr 0.0025 --noprogressbar
    --augment "!new:speechbrain.augment.augmenter.Augmenter {augmentations: [$noise]}"
    --spec_augment "[$drop {$sizes, dim: 1}, $drop {$sizes, dim: 2}]"
)

case $task in
    encoder_decoder)
        first=$recipes/transformer/hparams/conformer_summarymixing.yaml
        second=$recipes/transformer/hparams/conformer_mhsa.yaml
        schedule="!new:speechbrain.nnet.schedulers.WarmAndExpDecayLRSchedule"
        settings+=(
            --number_of_epochs 10 --vocab_size 30 --nhead 4 --num_decoder_layers 2 --normalization_batches 500
            --valid_search_interval 5 --test_beam_size 4 --warmup_steps 1000
            --lr_schedule "$schedule {lr: 0.0025, n_warmup_steps: 1000, total_steps: 11000, decay_factor: 0.02}"
        )
        only_first=() only_second=() ;;
    transducer)
        first=$recipes/transducer/hparams/conformer_transducer_summarymixing_fast.yaml
        second=$recipes/transducer/hparams/conformer_transducer_mhsa.yaml
        # The schedule is cut short: it would fall to 0.02 of its maximum in 8 epochs.
        settings+=(
            --number_of_epochs 5 --vocab_size 28 --predictor_size 144 --joint_size 144 --normalization_batches 500
            --warmup_steps 1000 --total_steps 8800 --lr_decay 0.02 --test_beam_size 4
        )
        only_first=(--mixer "{dropout: 0.0}") only_second=(--mixer "{nhead: 4, dropout: 0.0}") ;;
    *)
        echo "error: '$task': choose encoder_decoder or transducer" >&2
        exit 2 ;;
esac

train="$recipes/$(basename "$(dirname "$(dirname "$first")")")/train.py"
"$python" "$train" "$second" "${settings[@]}" "${only_second[@]}" > "runs/$task.second.txt" 2>&1 &
other=$!
trap 'kill $other 2> /dev/null || true' EXIT
"$python" "$train" "$first" "${settings[@]}" "${only_first[@]}"
wait $other
