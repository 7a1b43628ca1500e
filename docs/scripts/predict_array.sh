#!/usr/bin/env bash
#SBATCH --array=1-10
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --requeue
# Masses of a catalog, in ten jobs: sbatch predict_array.sh model.skops clusters.ecsv masses
# After a time limit or a failed node, the same job goes on where it was stopped.
set -eu
model=$1 catalog=$2 folder=$3
task=$SLURM_ARRAY_TASK_ID
code=0
skcluster predict "$model" "$catalog" \
    --share "$task/$SLURM_ARRAY_TASK_COUNT" --jobs "${SLURM_CPUS_PER_TASK:-1}" \
    --output "$folder/masses-$(printf %04d "$task").csv" || code=$?
# 3: some clusters have no mass, and the messages name them.
[ "$code" -eq 3 ] || exit "$code"
