#!/usr/bin/env bash
# Simulated clicks on the dev sets: our session beside SAM's official recipe, same weights, same run.
#   bash benchmarks/clicks.sh DEV_FOLDER OUTPUT_FOLDER [THREADS]
set -euo pipefail
dev=$1 out=$2 threads=${3:-2}
promptseg=${PROMPTSEG:-promptseg}
run() { "$promptseg" evaluate clicks "$dev/$1" "${@:2}" --threads "$threads" -o "$out/$1" ; }
run davis2016
run nuclei --min-area 400 --limit 60
run coco --min-area 400 --limit 80
run voc --limit 60
run ccp --limit 60
