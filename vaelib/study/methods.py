"""The methods that the sweep compares, and the base: the settings of a run that none of them changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vaelib.experiment import Experiment

_VARIED = (
    "region", "sample_weights", "latent_dim", "variance", "initial_rotation", "beta", "penalty", "gamma", "batch_size",
)  # fmt: skip
BASE: dict[str, Any] = Experiment.from_profile("sweep").model_dump(include=set(_VARIED))
"""The settings that the trainings vary, each with the value that the profile ``sweep`` has."""


@dataclass(frozen=True)
class Method:
    """A way to ask for disentangled latents: the settings it fixes, and the one that is its strength."""

    name: str
    """Its name in the figures."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    strength: str = "gamma"
    """The name of the setting that is its strength: "gamma" or "beta"."""
    start: Mapping[str, Any] | None = field(default_factory=dict)
    """The settings of what it adds to, where its line begins; None for nothing."""

    @property
    def symbol(self) -> str:
        """The letter of its strength."""
        return {"gamma": "γ", "beta": "β"}[self.strength]


STANDARD = Method("standard loss", start=None)
STUDY = Method("study's term", {"penalty": "entanglement"})
LEARNED = Method("β-VAE with learned σ", {"variance": "learned"}, strength="beta", start=None)
METHODS = (
    STUDY,
    Method("covariance", {"penalty": "covariance"}),
    Method("DIP-VAE-I", {"penalty": "dip_vae_i"}),
    Method("β-TCVAE", {"penalty": "total_correlation"}),
    LEARNED,
    Method(
        "DIP-VAE-II with learned σ", {"variance": "learned", "penalty": "dip_vae_ii"}, start={"variance": "learned"}
    ),
)
"""All but the standard loss, with which those of constant σ are compared."""
