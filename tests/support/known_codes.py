"""Factors and codes whose scores are known."""

import numpy as np

N = 2000
FACTORS = np.random.default_rng(7).uniform([0.5, 0.0], [2.0, 2.0], size=(N, 2))
SQUARE = (FACTORS - [1.25, 1.0]) / [0.75, 1.0]  # uniform in [-1, 1]²
TURN = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)  # by 45°
NOISE = np.random.default_rng(8).normal(size=(N, 3))
