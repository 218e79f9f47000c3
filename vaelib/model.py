"""The study's convolutional VAE at any size: encoder, decoder, and the two joined."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from vaelib import dataset, losses
from vaelib.experiment import Experiment
from vaelib.nn import backend
from vaelib.nn.backend import keras, ops, own_settings
from vaelib.nn.fused import normalised_stack
from vaelib.nn.layers import BiasedConv2D, FusedBatchNormalization, Sampling, UpConv2D
from vaelib.nn.rotation import initial_rotation


@own_settings()
def build_encoder(experiment: Experiment) -> keras.Model:
    """Return the encoder: images (n, s, s, 1) in [0, 1] to z_mean (n, d).

    With variance "learned" it has two outputs, z_mean and z_log_variance. Four times a 3×3 valid convolution with ReLU
    and 2×2 max pooling, then a linear dense layer. At 256 pixels, width 1, d = 3: 345,411 parameters. Source: the
    study, part 3.
    """
    make = _Maker(experiment, stream=1)
    s = experiment.image_size
    image = keras.Input((s, s, 1), name="image")
    x: Any = image
    for index, filters in enumerate((64, 64, 128, 128), 1):
        x = make(BiasedConv2D, make.channels(filters), 3, activation="relu", name=f"conv_{index}")(x)
        x = keras.layers.MaxPooling2D(2, padding="same", name=f"pool_{index}", dtype=make.policy)(x)
    x = keras.layers.Flatten(name="flatten", dtype=make.policy)(x)
    # The latents are float32 under any policy: losses and sampling read them.
    outputs = [make(keras.layers.Dense, experiment.latent_dim, name="z_mean", dtype="float32")(x)]
    if experiment.variance == "learned":
        outputs.append(make(keras.layers.Dense, experiment.latent_dim, name="z_log_variance", dtype="float32")(x))
    return keras.Model(image, outputs[0] if len(outputs) == 1 else outputs, name="encoder")


@own_settings()
def build_decoder(experiment: Experiment) -> keras.Model:
    """Return the decoder: latents (n, d) to logits (n, s, s, 1), whose sigmoid is the image.

    A dense layer without bias, three up-convolutions with batch norm, two 1×1 convolutions. At 256 pixels, width 1,
    d = 3: 204,545 parameters, 1,024 of them not trained. Source: the study, part 3.
    """
    make = _Maker(experiment, stream=2)
    s, first = experiment.image_size // 8, make.channels(16)
    latent = keras.Input((experiment.latent_dim,), name="z")
    x: Any = make(keras.layers.Dense, s * s * first, activation="relu", use_bias=False, name="dense")(latent)
    x = keras.layers.Reshape((s, s, first), name="reshape", dtype=make.policy)(x)
    for index, filters in enumerate((64, 64, 128), 1):
        x = make(UpConv2D, make.channels(filters), activation="relu", name=f"up_conv_{index}")(x)
        x = FusedBatchNormalization(name=f"norm_{index}", dtype=make.policy)(x)
    # A 1×1 convolution and its transpose are the same layer.
    x = make(BiasedConv2D, make.channels(256), 1, activation="relu", name="conv_4")(x)
    x = FusedBatchNormalization(name="norm_4", dtype=make.policy)(x)
    logits = make(BiasedConv2D, 1, 1, name="logits")(x)
    return keras.Model(latent, logits, name="decoder")


def standard_parts(vae: "VAE") -> dict[str, keras.Model]:
    """Return the parts "encoder" and "decoder" of a float32 model, made of Keras's own layers alone.

    The encoder maps images (n, s, s, 1) in [0, 1] to z_mean (n, d), or to [z_mean, z_log_variance] with variance
    "learned"; the decoder maps latents (n, d) to images (n, s, s, 1) in [0, 1]. The outputs are the model's, up to
    rounding.
    """
    decoder = _standard(vae.decoder)
    image = keras.layers.Activation("sigmoid", name="image")(decoder.output)
    return {"encoder": _standard(vae.encoder), "decoder": keras.Model(decoder.input, image, name="decoder")}


def _standard(model: keras.Model) -> keras.Model:
    """Return the same model with one or two of Keras's own layers in place of each of `vaelib.nn.layers`."""
    own = {BiasedConv2D: keras.layers.Conv2D, FusedBatchNormalization: keras.layers.BatchNormalization}

    def clone(layer: Any) -> Any:
        if isinstance(layer, UpConv2D):
            return keras.layers.Conv2D(
                layer.filters, 3, padding="same", activation=layer.activation, name=layer.name, dtype="float32"
            )
        return own.get(type(layer), type(layer)).from_config(layer.get_config())

    def call(layer: Any, x: Any, **_: Any) -> Any:
        if isinstance(model.get_layer(layer.name), UpConv2D):
            x = keras.layers.UpSampling2D(2, name=layer.name.replace("conv", "sampling"), dtype="float32")(x)
        return layer(x)

    standard = keras.models.clone_model(model, clone_function=clone, call_function=call)
    standard.set_weights(model.get_weights())
    return standard


def _decoding_in_training(decoder: keras.Model) -> Callable[[Any], Any]:
    """Return the decoder as it trains: the same function of the same weights, with its last layers fused."""
    last = [decoder.get_layer(name) for name in ("up_conv_3", "norm_3", "conv_4", "norm_4", "logits")]
    first = keras.Model(decoder.input, last[0].input)

    def decode(z: Any) -> Any:
        return normalised_stack(first(z, training=True), *last)

    return decode


class VAE(keras.Model):
    """Encoder, sampling and decoder with the loss of an `Experiment`.

    It maps images (n, s, s), uint8 or float in [0, 1], to a dict of mu (n, d), log_variance (scalar or (n, d)), z
    (n, d) and logits (n, s, s).
    """

    @own_settings()
    def __init__(self, experiment: Experiment) -> None:
        super().__init__(name="vae")
        self.experiment = experiment
        d, rotation = experiment.latent_dim, initial_rotation(experiment)
        self.encoder = build_encoder(experiment)
        self.decoder = build_decoder(experiment)
        self.decode_in_training = _decoding_in_training(self.decoder)
        seed = _seeds(experiment, stream=3)[0]
        # Not weights of the model, so they are where Keras does not look for weights.
        self.strengths = SimpleNamespace(beta=_strength(experiment.beta), gamma=_strength(experiment.gamma))
        self.sampling = Sampling(experiment.sigma, seed, rotation, name="sampling", dtype="float32")
        self.trackers = [keras.metrics.Mean(name=name) for name in ("cross_entropy", "kl", "penalty")]
        self.step: Any = None
        if experiment.penalty == "capacity":
            # A weight, so that it is saved and restored with the others: a resumed training continues with its C.
            self.step = self.add_weight(name="step", shape=(), initializer="zeros", trainable=False, dtype="float32")
            batches = -(-dataset.training_size(experiment) // experiment.batch_size)
            self.growing_steps = batches * experiment.epochs * experiment.capacity_growth
        elif experiment.penalty == "total_correlation":
            self.dataset_size = dataset.training_size(experiment)
        self.decoder.build((None, d))
        self.built = True  # its parts are built, and Keras would trace everything once more to see that
        if rotation is not None:
            self._rotate(rotation)

    def call(self, images: Any, training: bool = False) -> dict[str, Any]:
        """Encode, sample and decode; see the class."""
        mu, log_variance = self.encode(images, training=training)
        z = self.sampling(mu, log_variance)
        decoded = self.decode_in_training(z) if training else self.decoder(z, training=False)
        logits = ops.cast(decoded[..., 0], "float32")  # (n, s, s)
        if log_variance is None:
            log_variance = ops.convert_to_tensor(2 * np.log(self.experiment.sigma), "float32")
        return {"mu": mu, "log_variance": log_variance, "z": z, "logits": logits}

    def encode(self, images: Any, training: bool = False) -> tuple[Any, Any]:
        """Return μ (n, d) and log σ² (n, d), which is None for constant σ."""
        outputs = self.encoder(as_fraction(images)[..., None], training=training)
        return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs, None)

    def loss_terms(self, images: Any, outputs: dict[str, Any], sample_weight: Any = None) -> dict[str, Any]:
        """Return the terms cross_entropy, kl and penalty, each a float32 scalar.

        Args:
            images: (n, s, s), uint8 or float in [0, 1].
            outputs: The model's output for them.
            sample_weight: (n,), one weight for each image. With the setting sample_weights "per_batch", as in the
                study's code, each term is instead the one without weights times their mean.
        """
        settings = self.experiment
        penalised, factor = sample_weight, None
        if sample_weight is not None and settings.sample_weights == "per_batch":
            factor = ops.mean(sample_weight)
            # Equal weights multiply a mean over images, but cancel in a covariance and distort a distance.
            sample_weight, penalised = factor * ops.ones_like(sample_weight), None
        # In this order: another would sum the gradients of μ in another order, and every training would end elsewhere.
        terms = {
            "cross_entropy": losses.binary_crossentropy_from_logits(
                as_fraction(images), outputs["logits"], sample_weight
            ),
            "kl": losses.kl_divergence(
                outputs["mu"], outputs["log_variance"], sample_weight, scaling=settings.kl_scaling
            ),
            "penalty": self._penalty(outputs, penalised),
        }
        return terms if factor is None else {**terms, "penalty": factor * terms["penalty"]}

    def _penalty(self, outputs: dict[str, Any], sample_weight: Any) -> Any:
        name, mu, log_variance = self.experiment.penalty, outputs["mu"], outputs["log_variance"]
        if name == "capacity":
            capacity = losses.annealed_capacity(
                ops.convert_to_tensor(self.step), self.growing_steps, self.experiment.capacity
            )
            return losses.capacity_gap(mu, log_variance, capacity, sample_weight)
        if self.experiment.latent_dim < 2:
            return 0.0 * mu[0, 0]  # there are no pairs to penalise (and the experiment ensures that gamma is 0)
        if name == "dip_vae_ii":
            return losses.dip_vae_ii(mu, log_variance, sample_weight)
        if name == "total_correlation":
            return losses.total_correlation(outputs["z"], mu, log_variance, self.dataset_size, sample_weight)
        return losses.PENALTIES[name](mu, sample_weight)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the total loss of a batch and record its terms. Keras's `fit` calls it."""
        terms = self.loss_terms(x, y_pred, sample_weight)
        if training and self.step is not None:
            self.step.assign(self.step + 1.0)
        for tracker in self.trackers:
            tracker.update_state(terms[tracker.name], sample_weight=ops.cast(ops.shape(x)[0], "float32"))
        return losses.total(terms, beta=self.strengths.beta, gamma=self.strengths.gamma)

    def take_strengths(self, experiment: Experiment) -> None:
        """Train as `experiment`, which may differ in its data, its seed and the strengths of its terms alone."""
        self.experiment = experiment
        for name, strength in vars(self.strengths).items():
            if getattr(experiment, name):
                strength.assign(getattr(experiment, name))

    def get_config(self) -> dict[str, Any]:
        """Raise TypeError: Keras calls this when a model is saved, copied or pickled, which this one cannot be."""
        raise TypeError("the joined model cannot be saved or copied: Run.save_keras writes its encoder and decoder")

    def _rotate(self, rotation: np.ndarray) -> None:
        """Rotate the initial weights on both sides of the latent space by R, so that μ becomes μ R."""
        head, entry = self.encoder.get_layer("z_mean"), self.decoder.get_layer("dense")
        head.kernel.assign(ops.convert_to_numpy(head.kernel) @ rotation)
        entry.kernel.assign(rotation.T @ ops.convert_to_numpy(entry.kernel))


def as_fraction(images: Any) -> Any:
    """Return images as float32 in [0, 1]: uint8 is divided by 255, floats pass."""
    if keras.backend.standardize_dtype(images.dtype) == "uint8":
        return ops.cast(images, "float32") / 255
    return ops.cast(images, "float32")


def _strength(value: float) -> Any:
    """Return a term's weight as a variable that a traced step reads anew, on TensorFlow and unless it is 0."""
    if not value or keras.backend.backend() != "tensorflow":
        return value
    import tensorflow as tf

    return tf.Variable(value, trainable=False, dtype="float32")


def _seeds(experiment: Experiment, *, stream: int, count: int = 32) -> list[int]:
    """Return seeds of the run's independent random streams (initial weights, noise)."""
    return [int(seed) for seed in np.random.SeedSequence((experiment.seed, stream)).generate_state(count) >> 1]


class _Maker:
    """Makes layers with a common width, precision and initialiser (the study's), each with a seed of its own."""

    def __init__(self, experiment: Experiment, *, stream: int) -> None:
        backend.begin_use()
        self.width = experiment.width
        self.policy = "mixed_bfloat16" if experiment.precision == "bfloat16" else "float32"
        self.seeds = iter(_seeds(experiment, stream=stream))

    def channels(self, full: int) -> int:
        return max(1, round(full * self.width))

    def __call__(self, layer: Any, *arguments: Any, **options: Any) -> Any:
        initializer = keras.initializers.RandomNormal(stddev=0.05, seed=next(self.seeds))
        return layer(*arguments, kernel_initializer=initializer, **{"dtype": self.policy, **options})
