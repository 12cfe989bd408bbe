#!/bin/bash
# Searches side by side, one for each task of an array, each with its own seed and folder:
#   sbatch --array=1-1000 slurm_array.sh TiO2 --budget 2000
#   sbatch --array=1-1000 slurm_array.sh formulas.txt --budget 2000
#   sbatch slurm_merge.sh
# A file has one composition in each line; with more tasks than lines it is gone through again, with
# other seeds. What stands after that goes to gencsp search. A task that is stopped goes on where it
# was, as in slurm_search.sh; so does the same sbatch command with those that are not finished.
#SBATCH --job-name=gencsp-array
#SBATCH --array=1-100
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=1G
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.out

# Where gencsp is installed.
export PATH="$HOME/gencsp/.venv/bin:$PATH"
export OMP_NUM_THREADS=1

formula=${1:-TiO2}
shift
if [ -f "$formula" ]; then
  mapfile -t formulas < <(tr -d '\r' <"$formula" | grep '[^[:space:]]')
  formula=${formulas[(SLURM_ARRAY_TASK_ID - 1) % ${#formulas[@]}]}
fi

# --ahead is about four times the number of workers. It belongs to the run: leave it as it is when the
# search goes on with another number of CPUs.
gencsp search "$formula" "$@" --seed "$SLURM_ARRAY_TASK_ID" --ahead 16 \
  --out "runs/$formula-$SLURM_ARRAY_TASK_ID" --workers "$SLURM_CPUS_PER_TASK" &
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
  # Not by SLURM_JOB_ID, which for one of the tasks is the number of the whole array.
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$status"
