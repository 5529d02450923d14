#!/usr/bin/env bash
# Every published number again, by name; README.md says which name makes which number.
#   bash benchmarks/all.sh DEV [NAME ...]        all of them, or those named; `--list` instead of DEV lists the names
# DEV is the folder of dev sets. Reports go to out/benchmarks (OUT=FOLDER), where a finished one is not made again.
# Set PEER=ENV/bin/python for comparisons with the official code (benchmarks/peer.py), SEEM=CHECKOUT for SEEM's, and
# TRAIN and BACKBONE for what is trained first; without them those are left out. All together takes days on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
dev=${1:?the folder of dev sets, or --list}
shift
wanted=" $* "
out=${OUT:-out/benchmarks} peer=${PEER:-} seem=${SEEM:-} train=${TRAIN:-} backbone=${BACKBONE:-} python=${PYTHON:-python}
weights=src/promptseg/models/weights/mobile_sam.safetensors
mkdir -p "$out"

run() { # NAME NEEDED COMMAND...: NEEDED is "" when something that the command needs was not given
  local name=$1 needed=$2 report="$out/$1.txt"
  shift 2
  if [ "$dev" = --list ]; then echo "$name"; return; fi
  if [ "$wanted" != "  " ] && [[ $wanted != *" $name "* ]]; then return; fi
  if [ -z "$needed" ]; then echo "$name: left out, see the head of this file"; return; fi
  if [ -e "$report" ]; then echo "$name: $report is there"; return; fi
  echo "$name: $*"
  "$@" | tee "$report.part"
  mv "$report.part" "$report"
}
evaluate() { "$python" -m promptseg.cli.app evaluate "$@"; }
finetune() {
  "$python" -m promptseg.cli.app train sam-finetune "$train/nuclei" -o "$out/nuclei.safetensors"
  evaluate clicks "$dev/nuclei" --limit 150 --clicks 1 --model mobile-sam
  evaluate clicks "$dev/nuclei" --limit 150 --clicks 1 --model mobile-sam --weights "$out/nuclei.safetensors"
}

run results yes "$python" benchmarks/evaluate.py "$dev" -o "$out/results" --words --peer-python "$peer"
run dialogues yes "$python" benchmarks/dialogues.py "$dev" --limit 12
run pairs yes "$python" benchmarks/dialogues.py "$dev" --only coco --limit 30 --pairs
run edges yes evaluate edges "$dev/bsds500" -o "$out/edges"
run everything-recall yes evaluate everything "$dev/coco" --way fast --way exact --limit 12 -o "$out/everything"
run panoptic yes evaluate panoptic "$dev/coco" --limit 100 -o "$out/panoptic"
run semantics yes "$python" benchmarks/semantics.py "$dev"
run semantics-baseline "$backbone" "$python" benchmarks/semantics_baseline.py "$dev" --backbone "$backbone" --limit 16
run finetune "$train" finetune
run speed "$peer" evaluate latency "$dev/coco" --limit 6 --peer mobilesam-mirror --peer-python "$peer" --peer-weights $weights -o "$out/speed"
run cold-start "$peer" "$python" benchmarks/cold_start.py --peer-python "$peer"
run parity yes "$python" benchmarks/runtime_parity.py "$dev/coco/images"
run everything-speed "$peer" "$python" benchmarks/everything.py --peer-python "$peer" examples/*.jpg
run everything-growth yes "$python" benchmarks/everything.py growth examples/coffee.jpg --plot benchmarks/everything_growth.svg
run everything-exact "$peer" "$python" benchmarks/everything_exact.py --peer-python "$peer" --data "$dev" --cache "$out/peer"
run tiling yes "$python" benchmarks/tiling.py --data "$dev/coco"
run tiling-memory yes "$python" benchmarks/tiling.py --data "$dev/coco" --megapixels 100 --memory --points 4
run seem "$seem" "$python" benchmarks/seem.py --official "$seem"
run server "$peer" "$python" benchmarks/server_load.py --seconds 120 --peer-python "$peer"
run uploads yes "$python" benchmarks/upload_fuzz.py --count 10000
run soak yes "$python" benchmarks/soak.py --minutes 30 --requests 20000 -o "$out/soak"
run studio yes "$python" benchmarks/studio.py
run annotators yes "$python" benchmarks/annotators.py
run oracles yes "$python" benchmarks/evaluate_oracles.py "$dev"
run video yes evaluate video "$dev/video" -o "$out/video"
run overhead yes "$python" benchmarks/evaluate_overhead.py "$dev/davis2016" --pictures 5
