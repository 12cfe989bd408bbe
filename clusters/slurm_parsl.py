"""Workers in jobs of Slurm: gencsp search TiO2 --ahead 128 --executor parsl:slurm_parsl.py."""

from parsl import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="gencsp",
            max_workers_per_node=32,
            provider=SlurmProvider(
                partition="batch",
                nodes_per_block=1,
                init_blocks=1,
                max_blocks=2,
                walltime="12:00:00",
                launcher=SrunLauncher(),
                worker_init="source ~/gencsp/.venv/bin/activate; export OMP_NUM_THREADS=1",
            ),
        )
    ],
)
