#!/usr/bin/env bash
# Writes one 5 s sentence in every format that FFmpeg and SoX of Debian write, and prints what each file is read as.
# From the root of the project:
#     apt-get install ffmpeg sox libsox-fmt-all
#     results/audio/formats.sh
set -euo pipefail
python=${PYTHON:-.venv/bin/python}
export PYTHONPATH=. OMP_NUM_THREADS=1
corpus=data/audio-corpus
out=data/audio-formats

[ -e "$corpus" ] || "$python" tools/make_corpus.py librispeech "$corpus" --minutes 2 --seed 1
rm -rf "$out"
mkdir -p "$out"
exec < /dev/null
ff() { ffmpeg -nostdin -v error -y "$@"; }
# Long sentences of the built-in corpus, joined and cut: speech to the last sample.
find "$corpus/test-clean" -name "*.flac" | sort | sed "s|.*|file '$PWD/&'|" > "$out.txt"
ff -f concat -safe 0 -i "$out.txt" -t 5 -ar 44100 -c:a pcm_s16le "$out.wav"
ff -f lavfi -i color=c=red:s=300x300 -frames:v 1 "$out.png"
src=$out.wav

for kind in pcm_u8 pcm_s16le pcm_s24le pcm_s32le pcm_f32le pcm_f64le pcm_mulaw pcm_alaw; do
    ff -i "$src" -c:a $kind "$out/wav_$kind.wav"
done
ff -i "$src" -ar 16000 -ac 2 "$out/wav_stereo.wav"
ff -i "$src" -c:a pcm_s16le -f wav - > "$out/wav_piped.wav"
ff -i "$src" -c:a adpcm_ms "$out/wav_adpcm_ms.wav"
ff -i "$src" -c:a adpcm_ima_wav "$out/wav_adpcm_ima.wav"
ff -i "$src" -f w64 "$out/w64.w64"
ff -i "$src" -rf64 always "$out/rf64.wav"
ff -i "$src" "$out/flac.flac"
ff -i "$src" -f flac - > "$out/flac_piped.flac"
ff -i "$src" -ar 8000 "$out/flac_8k.flac"
ff -i "$src" -b:a 64k "$out/mp3_cbr.mp3"
ff -i "$src" -q:a 4 "$out/mp3_vbr.mp3"
ff -i "$src" -ar 16000 -b:a 32k "$out/mp3_16k.mp3"
ff -i "$src" -b:a 64k -f mp3 - > "$out/mp3_cbr_piped.mp3"
ff -i "$src" -q:a 4 -write_xing 0 "$out/mp3_vbr_no_xing.mp3"
ff -i "$src" -i "$out.png" -map 0 -map 1 -c:v copy -id3v2_version 3 -metadata title="Sentence" \
    -disposition:v attached_pic "$out/mp3_tag_picture.mp3"
ff -i "$src" -ss 0 -t 2 "$out.a.mp3"
ff -i "$src" -ss 2 -t 3 "$out.b.mp3"
cat "$out.a.mp3" "$out.b.mp3" > "$out/mp3_joined.mp3"
ff -i "$src" -c:a mp2 "$out/mp2.mp2"
ff -i "$src" -c:a libvorbis "$out/ogg_vorbis.ogg"
ff -i "$src" -c:a libopus "$out/ogg_opus.opus"
ff -i "$src" -c:a flac "$out/ogg_flac.oga"
ff -i "$src" -c:a libspeex -ar 16000 "$out/ogg_speex.spx"
ff -i "$src" -c:a aac "$out/m4a_aac.m4a"
ff -i "$src" -c:a alac "$out/m4a_alac.m4a"
ff -i "$src" -c:a aac -movflags frag_keyframe+empty_moov -f mp4 - > "$out/mp4_piped.mp4"
ff -i "$src" -c:a aac "$out/aac_adts.aac"
ff -i "$src" -c:a libopus "$out/webm_opus.webm"
ff -i "$src" -c:a libopus -f webm - > "$out/webm_opus_piped.webm"
ff -i "$src" -c:a libvorbis "$out/webm_vorbis.webm"
ff -i "$src" -c:a wmav2 "$out/wma_v2.wma"
ff -i "$src" -c:a wmav1 "$out/wma_v1.wma"
ff -i "$src" "$out/aiff.aiff"
ff -i "$src" -c:a pcm_s16be "$out/au.au"
ff -i "$src" -c:a pcm_s16le "$out/caf.caf"
ff -i "$src" -c:a ac3 "$out/ac3.ac3"
ff -i "$src" -c:a wavpack "$out/wavpack.wv"
ff -i "$src" -c:a tta "$out/tta.tta"
ff -i "$src" -f lavfi -i color=c=blue:s=64x64:r=25:d=5 -t 5 -c:a aac -c:v mpeg4 "$out/video.mp4"
sox "$src" -r 8000 "$out/sox_gsm.gsm"
sox "$src" -r 8000 -e gsm-full-rate "$out/sox_gsm.wav"
sox "$src" -r 8000 "$out/sox_amr.amr-nb" && mv "$out/sox_amr.amr-nb" "$out/sox_amr_nb.amr"
sox "$src" "$out/sox_sph.sph"
sox "$src" -e mu-law -r 8000 "$out/sox_sph_mulaw.sph"
sox "$src" "$out/sox_aiff.aifc"
sox "$src" "$out/sox_au.au"
sox "$src" "$out/sox_caf.caf"
sox "$src" -t flac - > "$out/sox_flac_piped.flac"
sox "$src" -t wav - > "$out/sox_wav_piped.wav"
sox "$src" -C 64.2 "$out/sox_mp3.mp3"
sox "$src" -C 5 "$out/sox_ogg.ogg"
sox "$src" "$out/sox_w64.w64"
sox "$src" "$out/sox_voc.voc"

"$python" results/audio/lengths.py "$out" --seconds 5 --output results/audio/formats.json "$@"
