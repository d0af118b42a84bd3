#!/usr/bin/env bash
# Trains a SPARNet on a bare machine with a GPU, within the minutes it is told, and leaves what can be carried home.
#
#   bash methods/sparnet/training/gpu.sh --minutes 8 --faces faces.zip --out OUT [--method sparnet] [--device cuda]
#
# Needs python3 with torch, numpy, Pillow, safetensors and pydantic (WHEELS=DIR: a folder of pydantic's wheels, installed
# without a network). faces.zip is made by pack_faces.py. OUT gets at most 8 files of at most 15 MB: the best weights so far
# in pieces (anew every minute), the log, the self-test's figures. Put the pieces together with gpu_pieces.py join.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
minutes=8 method=sparnet device=cuda batch=128 rate=4e-4 workers=12 faces= out= init=
while [ $# -gt 0 ]; do
  case "$1" in
    --minutes) minutes=$2 ;; --faces) faces=$2 ;; --out) out=$2 ;; --method) method=$2 ;; --device) device=$2 ;;
    --batch) batch=$2 ;; --rate) rate=$2 ;; --workers) workers=$2 ;; --init) init=$2 ;;
    *) echo "gpu.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[ -n "$faces" ] && [ -n "$out" ] || { echo "gpu.sh: --faces FILE.zip and --out DIR are needed" >&2; exit 2; }
began=$(date +%s)
if [ -n "${WHEELS:-}" ]; then python3 -m pip install -q --no-index --find-links "$WHEELS" pydantic; fi
folder=${method//-/_}
init=${init:-$root/methods/$folder/weights/$method.safetensors}
work=${TMPDIR:-/tmp}/facesr-gpu
mkdir -p "$out" "$work/faces"
python3 -m zipfile -e "$faces" "$work/faces"
export PYTHONPATH=$root

echo "== self-test"
if [ "$method" = sparnet ]; then
  seconds=4; [ "$device" != cpu ] || seconds=1
  python3 "$here/gpu_selftest.py" --weights "$init" --device "$device" --batch "$batch" --seconds $seconds --json "$out/selftest.json"
fi

train() { # OUT STEPS LOG_EVERY VALIDATE_EVERY
  python3 -m facesr_bench train "$method" --data "$work/faces" --cache "$work" --out "$1" --init "$init" --steps "$2" \
    --device "$device" --precision bf16 --seed 4 --set batch_size="$batch" --set lr="$rate" --set warmup=50 \
    --set schedule=cosine --set ema=0.998 --set workers="$workers" --set log_every="$3" --set validate_every="$4" --set save_every="$4"
}

echo "== speed"
trial=40; [ "$device" != cpu ] || trial=6
train "$work/speed" $trial $((trial / 2)) $trial
per_second=$(tail -n 1 "$work/speed/log.jsonl" | python3 -c 'import json, sys; print(json.load(sys.stdin)["images_per_second"])')
left=$(( ${minutes%.*} * 60 - ($(date +%s) - began) - 25 ))
[ $left -gt 10 ] || { echo "gpu.sh: no time left to train; give more --minutes" >&2; exit 1; }
# A tenth is left for validation, checkpoints and the copying.
steps=$(python3 -c "print(max(10, int(0.9 * $left * $per_second / $batch)))")
echo "== $steps steps of $batch at $per_second images/s in $left s"

train "$work/run" "$steps" 20 $((steps / 12 + 1)) &
training=$!
carry() { # what there is so far, into OUT
  [ -f "$work/run/best.safetensors" ] || return 0
  python3 "$here/gpu_pieces.py" cut "$work/run/best.safetensors" "$out"
  cp "$work/run/log.jsonl" "$out/log.jsonl"
}
while kill -0 $training 2>/dev/null; do
  sleep "${CARRY_EVERY:-60}" &
  wait -n $training $! || true
  carry
done
wait $training
carry
ls -l "$out"
