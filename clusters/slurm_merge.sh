#!/bin/bash
# One ranked list of what the searches of slurm_array.sh found, each crystal once, in runs/merged.
# It can be submitted with the array: it waits until all your jobs of its name have ended.
#SBATCH --job-name=gencsp-array
#SBATCH --dependency=singleton
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2G
#SBATCH --time=12:00:00
#SBATCH --open-mode=append
#SBATCH --output=gencsp-merge-%j.out

# Where gencsp is installed.
export PATH="$HOME/gencsp/.venv/bin:$PATH"
export OMP_NUM_THREADS=1

# After a search with --potential or --hull: say them here, too (--hull in the second command).
set -e
gencsp dedup runs/*/ranked.extxyz --same tight --workers "$SLURM_CPUS_PER_TASK" --out runs/merged
gencsp hull runs/merged/unique.extxyz --workers "$SLURM_CPUS_PER_TASK" --out runs/merged
gencsp report runs/merged/hull.extxyz --out runs/merged/report.html
