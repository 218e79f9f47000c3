"""A made-up table of a sweep, for the pictures' tests: its numbers are plausible and nothing more."""

import itertools

import numpy as np

from vaelib.study.methods import BASE

_SHRINKS = {"entanglement": 12, "covariance": 3, "dip_vae_i": 9, "dip_vae_ii": 9, "total_correlation": 30}
_SCORES = ("mig", "sap", "disentanglement", "alignment", "beta_vae", "factor_vae", "tangent_alignment")


_GRID = (
    {"gamma": [0.0], "seed": range(20)},
    {"gamma": [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]},
    {"penalty": ["covariance"], "gamma": [0.003, 0.03, 0.1, 0.3]},
    {"penalty": ["dip_vae_i", "total_correlation"], "gamma": [0.001, 0.003, 0.01, 0.03]},
    {"variance": ["learned"], "beta": [0.001, 0.003, 0.01, 0.03, 0.1]},
    {"variance": ["learned"], "penalty": ["dip_vae_ii"], "gamma": [0.001, 0.01, 0.03]},
    {"beta": [0.01, 0.03], "gamma": [0.0, 0.01, 0.1]},
    {"penalty": ["entanglement", "covariance"], "gamma": [0.1], "batch_size": [4, 64]},
    {"initial_rotation": ["rotation", "signed_permutation"]},
    {"latent_dim": [2, 6]},
    {"region": ["punctured"]},
)


def table(seeds=5):
    """Return the rows of a made-up sweep, for the seeds below `seeds`; from 5 on the standard loss has 20."""
    found = []
    for block in _GRID:
        ranges = {"seed": range(seeds), **block}
        for point in itertools.product(*ranges.values()):
            settings = dict(zip(ranges, point, strict=True))
            if settings["seed"] < seeds or seeds >= 5:
                found.append(row(**settings))
    return found


def row(**changes):
    """Return one run's row; any column can be set."""
    made = {**BASE, "seed": 0, "profile": "sweep", "sigma": 0.1, "kl_scaling": "mean", "epochs": 4, "n_images": 2000}
    made |= {name: value for name, value in changes.items() if name in made or name == "epochs"}
    numbers = [made["seed"], int(1e5 * made["gamma"]), int(1e5 * made["beta"]), made["batch_size"], made["latent_dim"]]
    random = np.random.default_rng([*numbers, len(made["penalty"]), len(made["variance"])])
    learned, d = made["variance"] == "learned", made["latent_dim"]
    pull = made["gamma"] * _SHRINKS[made["penalty"]] + made["beta"] * 8
    decorrelated = learned or (made["penalty"] != "entanglement" and made["gamma"] > 0)
    made["run"] = f"full-32px-seed{made['seed']}-{random.integers(1 << 40):x}"
    made["relative_error"] = 0.04 * (1 + pull) * np.exp(0.04 * random.standard_normal())
    made["mean_correlation"] = abs(
        0.02 + 0.02 * random.standard_normal() if decorrelated else random.normal(0.25, 0.06)
    )
    made["mean_correlation_chance"] = 0.019
    made["active_units"] = 1.0 if pull > 2.5 else 2.0 if pull > 1 else float(d)
    made["normal_distance"] = random.normal(0.16, 0.01)
    made["twonn"] = random.normal(2.05, 0.05)
    made["curl_middle"] = random.normal(18, 2)
    made["curl_edge"] = made["curl_middle"] + random.normal(14, 2)
    for name in _SCORES:
        made[f"{name}_chance"] = {"beta_vae": 0.5, "factor_vae": 0.5, "tangent_alignment": 0.4}.get(name, 0.01)
        made[name] = random.uniform(0.3, 0.7)
    made["alignment_highest"] = made["alignment"] + random.uniform(0.05, 0.2)
    made["alignment_turned"] = made["alignment"] - random.normal(0, 0.05)
    made["alignment_at_lowest"] = random.uniform(0.3, 0.6)
    made["product_lowest"], made["plane_turned"] = random.uniform(0.5, 0.55), random.uniform(0.7, 0.8)
    made["product_highest"], made["independent"] = random.uniform(0.85, 0.95), random.uniform(0.9, 0.95)
    made |= {f"labels_{n}": 0.95 - 1 / n + random.uniform(0, 0.02) for n in (5, 10, 20, 50, 100)}
    made["linear_r2"] = random.uniform(0.95, 0.97)
    made["independent_mig"], made["independent_disentanglement"] = random.uniform(0.3, 0.4), random.uniform(0.8, 0.9)
    made["term_lowest"], made["term_highest"] = 1.25, 1.9
    made["term_rank"] = random.uniform() * np.exp(-300 * made["gamma"])
    made["term"] = 1.25 + 0.65 * made["term_rank"]
    for k in range(d):
        made[f"spread_{k + 1}"] = random.uniform(0.5, 1.2) / (1 + pull)
        made[f"direction_a_{k + 1}"], made[f"direction_b_{k + 1}"] = random.standard_normal(2)
    if d < 3:
        made |= {name: None for name in ("curl_edge", "curl_middle", "tangent_alignment")}
    return made | changes
