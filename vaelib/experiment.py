"""One frozen, validated description of a run: what to draw, what to build, what to minimise, how to train.

The names are flat and the same everywhere: in Python, on the command line, in a notebook's parameters and in
sweep files.
"""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator, model_validator

from vaelib import curves, storage
from vaelib.errors import SettingError
from vaelib.storage.schema_text import misfit, nearest, shown

PARAMETER_RANGE = {"a": (0.5, 2.0), "b": (0.0, 2.0)}
"""The study's parameter space: a, the radius of the circle, and b, the amplitude of the five petals."""

Weight = Annotated[float, Field(ge=0, le=1e3, allow_inf_nan=False)]
"""A factor of a term of the loss, from 0 to 1000; a chapter annotates further weights of its own with it."""


def _as_tuple(value: Any) -> Any:
    """Return a tuple for a number and for "1, 2, 5" or "[1, 2, 5]": the command line and YAML bring text."""
    if isinstance(value, str):
        bare = value.strip()
        if bare[:1] + bare[-1:] == "[]":
            bare = bare[1:-1]
        return tuple(bare.replace(",", " ").split())
    return (value,) if isinstance(value, int | float) else value


def _from_numpy(value: Any) -> Any:
    """Return numpy's scalars and arrays as Python's; a float32 by its shortest decimal: 0.1, not 0.10000000149."""
    if isinstance(value, np.floating):
        return float(str(value))
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _no_boolean(value: Any) -> Any:
    """Refuse True and False, which Python counts as 1 and 0, where they mean nothing."""
    value = _from_numpy(value)
    if isinstance(value, bool):
        raise ValueError("true and false are not numbers")
    return value


class _Settings(BaseModel):
    model_config = {"frozen": True, "extra": "forbid", "allow_inf_nan": False}

    @field_validator("*", mode="wrap")
    @classmethod
    def _in_one_form(cls, value: Any, check: Callable[[Any], Any], info: Any) -> Any:
        """Bring equal values into one form, since they are one run: 0.1 of any type, 0.0 for -0.0, sorted snapshots."""
        is_boolean = cls.model_fields[info.field_name].annotation is bool
        checked = check(_from_numpy(value) if is_boolean else _no_boolean(value))
        if isinstance(checked, float):
            return checked + 0.0  # turns -0.0 into 0.0
        return tuple(sorted(set(checked))) if isinstance(checked, tuple) else checked


class DataSettings(_Settings):
    """The settings that shape the data set: together they are the key of its cache."""

    n_images: int = Field(5000, ge=20, le=1_000_000, description="images drawn, before the hole is cut")
    region: Literal["full", "punctured", "thinned"] = Field(
        "full",
        description="full; punctured: without the hole; thinned: without as many images, chosen at random",
    )
    hole_a: float = Field(1.25, ge=0.5, le=2, description="a at the hole's centre")
    hole_b: float = Field(1.0, ge=0, le=2, description="b at the hole's centre")
    hole_radius: float = Field(0.3, ge=0, le=1, description="the hole's radius in units of (a, b)")
    image_size: int = Field(64, ge=32, le=1024, multiple_of=8, description="pixels along one side")
    line_width: float = Field(1.6, gt=0, le=32, description="line width in pixels")
    transect_line_width: float = Field(1.6, gt=0, le=32, description="line width of the transects' images, in pixels")
    framing: Literal["square", "study"] = Field(
        "square", description="square: the origin in the middle; study: the study's frame, stretched to a square"
    )
    sample_weights: Literal["none", "per_image", "per_batch"] = Field(
        "none",
        description="loss weights that fall with b: per_image, as the study means them; per_batch, as in its code",
    )
    data_seed: int = Field(0, ge=0, lt=2**32, description="seed of the random points (a, b)")


class ModelSettings(_Settings):
    """The settings that shape the network."""

    width: float = Field(0.25, gt=0, le=4, description="factor of every number of channels; the study has 1")
    latent_dim: int = Field(3, ge=1, le=64, description="latent dimensions d")
    variance: Literal["constant", "learned"] = Field(
        "constant", description="constant: one σ for all; learned: a second head gives log σ²"
    )
    sigma: float = Field(0.1, gt=0, le=10, description="the constant σ of the posterior")
    initial_rotation: Literal["none", "rotation", "signed_permutation"] = Field(
        "none", description="rotates the latent space's initial weights and its noise together"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="type of the activations in training")


class LossSettings(_Settings):
    """The weights and forms of the terms: cross-entropy + beta · KL + gamma · penalty."""

    beta: Weight = Field(1e-3, description="weight of the KL term")
    kl_scaling: Literal["mean", "half_sum"] = Field(
        "mean", description="mean: over dimensions, as in the study's code; half_sum: as in its text"
    )
    penalty: Literal[
        "entanglement", "covariance", "covariance_squared", "dip_vae_i", "dip_vae_ii", "total_correlation", "capacity"
    ] = Field("entanglement", description="the third term; see vaelib.losses")
    gamma: Weight = Field(0.0, description="weight of the penalty; 0 is the standard loss")
    capacity: float = Field(25.0, ge=0, le=1e3, description="final C in nats, for the penalty capacity")
    capacity_growth: float = Field(
        1.0, gt=0, le=1, description="share of all steps over which C grows from 0, for the penalty capacity"
    )


class TrainingSettings(_Settings):
    """The settings of the optimisation."""

    epochs: int = Field(4, ge=1, le=10_000, description="passes over the training set")
    batch_size: int = Field(16, ge=1, le=65_536, description="images per step")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="the optimizer of Keras")
    learning_rate: float = Field(3e-3, gt=0, le=10, description="step size, at the start of the schedule")
    schedule: Literal["constant", "cosine"] = Field(
        "cosine", description="cosine: falls to zero over all steps of the run"
    )
    shuffle: bool = Field(True, description="a new order every epoch; the study had none")
    snapshots: Annotated[tuple[Annotated[int, BeforeValidator(_no_boolean)], ...], BeforeValidator(_as_tuple)] = Field(
        tuple(range(5)), description="epochs whose weights are kept besides the best and the last; 0: before training"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="seed of weights, noise and order")
    devices: int = Field(
        1, ge=1, le=1024, description="devices of this machine that share each batch; above 1 needs KERAS_BACKEND=jax"
    )


# Penalties on pairs of latents, and those of them that are a statistic of a batch.
_OF_BATCHES = ("covariance", "covariance_squared", "dip_vae_i", "dip_vae_ii", "total_correlation")
_OF_PAIRS = ("entanglement", *_OF_BATCHES)
# Added after the first runs, which correspond to the defaults: with these they are left out of the identity.
_ADDED_LATER = ("capacity", "capacity_growth")

_SMALL_IMAGES = {"image_size": 32, "line_width": 1.2, "transect_line_width": 1.2}
# A setting that a profile does not name has the default above, which is the book's.
PROFILES: dict[str, dict[str, Any]] = {
    "smoke": {**_SMALL_IMAGES, "n_images": 300, "width": 0.125, "epochs": 2, "batch_size": 32, "snapshots": (0, 1, 2)},
    "book": {},
    "paper": {
        "image_size": 256,
        "framing": "study",
        # 2 pt on 229×172 pixels is 1.1 px; stretched to 256×256 it is 1.23 px across an upright line and 1.64
        # across a level one. 1.42 is their geometric mean, so the line covers the same area; 4 pt likewise.
        "line_width": 1.42,
        "transect_line_width": 2.71,
        "width": 1.0,
        "gamma": 1e-4,
        "epochs": 30,
        "batch_size": 8,
        "learning_rate": 1e-4,
        "schedule": "constant",
        "shuffle": False,
        "snapshots": (0, 1, 2, 5, 10, 20, 30),
    },
    # About fifteen seconds a training on one core, for grids of many runs. The batch is the study's: with larger ones
    # so few images make too few steps for the batch norm's running averages, and the reconstructions suffer.
    "sweep": {**_SMALL_IMAGES, "n_images": 2000, "epochs": 4, "batch_size": 8, "snapshots": ()},
}
# The study drew its punctured set with the transects' line, twice as wide as that of the full set.
_PAPER_PUNCTURED_LINE_WIDTH = 2.71


class Experiment(TrainingSettings, LossSettings, ModelSettings, DataSettings):
    """Everything that determines a run. Create one with `Experiment.from_profile`.

    Frozen. Two experiments with equal settings have equal `hash`, whatever their profile and number of devices: like
    the backend, `devices` changes results by rounding alone.
    """

    profile: str = Field("book", description="the profile whose values the settings override")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if max(self.snapshots, default=0) > self.epochs or min(self.snapshots, default=0) < 0:
            raise ValueError(f"snapshots = {shown(list(self.snapshots))}; allowed: epochs 0 to {self.epochs}")
        if self.gamma > 0 and self.penalty in _OF_PAIRS and self.latent_dim < 2:
            raise ValueError(
                f"latent_dim = {self.latent_dim}: a penalty on pairs of latents needs 2 or more (or gamma = 0)"
            )
        if self.gamma > 0 and self.penalty in _OF_BATCHES and self.batch_size < 2:
            statistic = self.penalty.replace("_", " ") if self.penalty == "total_correlation" else "covariance"
            raise ValueError(f"batch_size = {self.batch_size}: a batch's {statistic} needs 2 or more")
        if self.batch_size % self.devices:
            raise ValueError(f"devices = {self.devices}; allowed: divisors of batch_size = {self.batch_size}")
        for name in ("line_width", "transect_line_width"):
            if (width := getattr(self, name)) > self.image_size / 4:
                raise ValueError(f"{name} = {width:g}; allowed: at most a quarter of image_size = {self.image_size}")
        return self

    @classmethod
    def from_profile(cls, profile: str = "book", **settings: Any) -> Self:
        """Return the experiment of a profile with some settings changed.

        Equal values are kept in one form (0.1, "0.1" and numpy.float32(0.1); 0.0 and -0.0; snapshots in any order), so
        that they are one run.

        Args:
            profile: "smoke", "book", "paper" or "sweep".
            settings: Values by name; numbers may be text or numpy's. None keeps the profile's value.

        Raises:
            SettingError: An unknown profile, an unknown setting or a value that is not allowed.
        """
        if not isinstance(profile, str) or profile not in PROFILES:
            raise SettingError(f"profile = {shown(profile)}; allowed: {', '.join(PROFILES)}")
        given = {name: value for name, value in settings.items() if value is not None}
        values = {"profile": profile, **PROFILES[profile], **given}
        if profile == "paper" and values.get("region", "full") != "full" and "line_width" not in given:
            values["line_width"] = _PAPER_PUNCTURED_LINE_WIDTH
        if "snapshots" not in given:
            values["snapshots"] = _within(values)
        return cls._validated(values)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the experiment that `to_json` wrote. Raises SettingError for anything else."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise SettingError(f"not the JSON text of an experiment: {error}") from error
        if not isinstance(values, dict):
            raise SettingError(f"not the JSON text of an experiment: it holds a {type(values).__name__}")
        return cls._validated(values)

    def to_json(self) -> str:
        """Return all settings as readable JSON."""
        return self.model_dump_json(indent=1)

    def replace(self, **settings: Any) -> Self:
        """Return a copy with some settings changed, checked as in `from_profile`."""
        values = {**self.model_dump(), **settings}
        if "snapshots" not in settings:
            values["snapshots"] = _within(values)
        return self._validated(values)

    @classmethod
    def _validated(cls, values: Mapping[str, Any]) -> Self:
        for name in values:
            if name not in cls.model_fields:
                hint = nearest(name, cls.model_fields)
                raise SettingError(f"unknown setting {name!r}.{hint} The settings are: {', '.join(cls.model_fields)}")
        try:
            return cls(**values)
        except ValidationError as error:
            messages = [_message(item, values) for item in error.errors()]
            raise SettingError("; ".join(dict.fromkeys(messages))) from None  # every element of a list names the list

    @property
    def data(self) -> DataSettings:
        """The settings that shape the data set."""
        return DataSettings(**{name: getattr(self, name) for name in DataSettings.model_fields})

    @property
    def hash(self) -> str:
        """16 hexadecimal digits that identify the run: the `identity` of all settings but `profile` and `devices`.

        The settings of annealed capacity count only where they differ from their defaults.
        """
        fields = type(self).model_fields
        unset = {name for name in _ADDED_LATER if getattr(self, name) == fields[name].default}
        return identity(self.model_dump(mode="json", exclude={"profile", "devices", *unset}))

    @property
    def name(self) -> str:
        """A readable name for the run's folder, unique by the hash at its end."""
        gamma = f"-{self.penalty}{self.gamma:g}" if self.gamma else ""
        return f"{self.region}-{self.image_size}px{gamma}-seed{self.seed}-{self.hash}"


def identity(settings: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that identify settings under this version's file format.

    A framing whose curves have moved since its first version counts with its version.
    """
    version = curves.FRAMING_VERSIONS[settings["framing"]]
    settings = settings if version == 1 else {**settings, "framing_version": version}
    return storage.digest(storage.canonical_json({"format": storage.FORMAT, **settings}))[:16]


def _within(values: Mapping[str, Any]) -> Any:
    """Return the snapshots without those after the last epoch, for callers who change the number of epochs alone."""
    snapshots = values.get("snapshots", TrainingSettings.model_fields["snapshots"].default)
    try:
        epochs = float(values.get("epochs", TrainingSettings.model_fields["epochs"].default))
    except (TypeError, ValueError, OverflowError):
        return snapshots  # the validation says what is wrong with epochs
    return tuple(epoch for epoch in snapshots if epoch <= epochs)


def _message(item: Any, values: Mapping[str, Any]) -> str:
    """Return what is wrong, from one of pydantic's errors."""
    if not item["loc"]:
        return str(item["ctx"]["error"])
    name = item["loc"][0]
    return misfit(name, values[name], _schemas()[name], item["msg"])


@functools.cache
def _schemas() -> dict[str, Any]:
    return dict(Experiment.model_json_schema()["properties"])
