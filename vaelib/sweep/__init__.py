"""Many runs: a grid of settings and seeds, trained by Dask on this machine or on a cluster, and their table.

A sweep file is YAML::

    profile: sweep
    settings: {penalty: covariance}       # of every run
    grid:                                 # one block, or a list of blocks; in each, every value with every other
      gamma: [0, 0.01, 0.1]
      seed: [0, 1, 2, 3, 4]

Every run has an ordinary run's folder, so a sweep resumes where it stopped, and shares its runs with whatever else
trains the same settings. Nothing here imports Dask, Arrow or Keras before it is needed.
"""

from vaelib.sweep.cluster import Outcome, hold_to_one_thread, on_dask
from vaelib.sweep.grid import Sweep, read
from vaelib.sweep.grid_training import train_grid

__all__ = ["Outcome", "Sweep", "hold_to_one_thread", "on_dask", "read", "train_grid"]
