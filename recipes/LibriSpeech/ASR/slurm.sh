#!/bin/bash
# Train any recipe of this folder on several nodes under SLURM. Set the lines of your cluster, then, from the root of
# the project:
#
#   sbatch recipes/LibriSpeech/ASR/slurm.sh CTC conformer_summarymixing --data_folder /data/LibriSpeech \
#       --precision bf16 --max_batch_length 62.5
#
# The first word is the recipe's folder, the second its YAML file; the rest goes to train.py. The project, its .venv, the
# corpus and the run folder must be on a file system that all nodes share. The same command resumes.

#SBATCH --job-name=summarymixing
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1   # one torchrun per node, which starts one process per GPU
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32    # 8 a GPU: the process and its num_workers
#SBATCH --time=48:00:00
#SBATCH --requeue             # after a node has failed the job starts again and resumes
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.txt

set -euo pipefail

recipe=recipes/LibriSpeech/ASR/$1
yaml=$recipe/hparams/$2.yaml
shift 2

# The processes meet at the first node; each job has its own port.
first_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))

export OMP_NUM_THREADS=1

# --kill-on-bad-exit: an error on one node also ends the processes of the others, which would otherwise wait.
srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    .venv/bin/torchrun \
    --nnodes="$SLURM_JOB_NUM_NODES" \
    --nproc_per_node="$SLURM_GPUS_ON_NODE" \
    --rdzv_id="$SLURM_JOB_ID" \
    --rdzv_backend=c10d \
    --rdzv_endpoint="$first_node:$port" \
    "$recipe/train.py" "$yaml" "$@"
