#!/usr/bin/env bash
# Proves the GPU path on a machine that has a GPU for some minutes, and leaves a table and figures that can be carried home.
#
#   bash tests/gpu/check.sh --out OUT [--device cuda] [--minutes 7] [--patience SECONDS] [--faces DIR] [--quick]
#
# Every method and metric on the GPU against the CPU, an evaluation of 60 faces from end to end (as it is, on the CPU, without prefetch
# and pinned memory), sparnet's speed against a plain eager network and against what the card can compute, and then the backends
# within torch: their pictures, and their speed. --device cpu --quick runs all of it without a GPU, with smaller numbers.
# Each line stands in OUT/gpu.txt and gpu.json as soon as it is there. One that raises, ends its process or takes longer than --patience
# is WRONG, and the rest goes on. After --minutes nothing is begun, and 20 s later all ends; what is left out is named.
# Exit status 1: a line is wrong.
# PYTHON (default: python3) must have facesr-bench's dependencies; WHEELS=DIR: a folder of those it lacks, installed without a
# network (made with: pip download -d DIR --no-deps PACKAGES).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
if [ -n "${WHEELS:-}" ]; then "$python" -m pip install -q --no-index --no-deps "$WHEELS"/*.whl; fi
cd "$root"
exec "$python" -m tests.gpu.check "$@"
