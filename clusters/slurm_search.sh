#!/bin/bash
# One search on one node:
#   sbatch slurm_search.sh TiO2 --budget 100000
# What stands after the name of this file goes to gencsp search. Before its time is up the search
# stops and the job goes back into the queue; then, and after the failure of a node or after it made
# room for other jobs, it goes on where it was. So does the same sbatch command at any later time.
#SBATCH --job-name=gencsp-search
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --exclusive
#SBATCH --cpus-per-task=32
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out

# Where gencsp is installed.
export PATH="$HOME/gencsp/.venv/bin:$PATH"
export OMP_NUM_THREADS=1

# The main process, which plans and compares, has a CPU beside those of the workers.
cpus=$SLURM_CPUS_PER_TASK
workers=$((cpus > 1 ? cpus - 1 : 1))

# --ahead is about four times the number of workers. It belongs to the run: leave it as it is when the
# search goes on with another number of CPUs.
gencsp search "${@:-TiO2}" --ahead 128 --workers "$workers" &
search=$!

signalled=""
requeue=""
trap 'signalled=yes; kill -TERM "$search" 2>/dev/null' TERM
# Of --signal above, so many seconds before the time is up.
trap 'signalled=yes; requeue=yes; kill -TERM "$search" 2>/dev/null' USR1
wait "$search"
status=$?
while [ -n "$signalled" ]; do # a signal ends "wait" before the search has ended
  signalled=""
  wait "$search"
  status=$?
done
if [ -n "$requeue" ] && [ "$status" -eq 143 ]; then # it was stopped, and had not ended before
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
