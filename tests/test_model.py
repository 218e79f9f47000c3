"""The study's architecture, counted, and the VAE's promises."""

from copy import deepcopy
from typing import get_args

import keras
import numpy as np
import pytest

from vaelib import Experiment, losses
from vaelib.model import VAE, build_decoder, build_encoder
from vaelib.nn.rotation import initial_rotation

SMOKE = Experiment.from_profile("smoke")
PENALTIES = get_args(Experiment.model_fields["penalty"].annotation)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32), "uint8")


def counts(model):
    return {layer.name: layer.count_params() for layer in model.layers if layer.count_params()}


def test_the_studys_own_model_has_its_parameters_layer_by_layer():
    paper = Experiment.from_profile("paper")
    encoder, decoder = build_encoder(paper), build_decoder(paper)
    assert counts(encoder) == {"conv_1": 640, "conv_2": 36_928, "conv_3": 73_856, "conv_4": 147_584, "z_mean": 86_403}
    assert counts(decoder) == {
        "dense": 49_152, "up_conv_1": 9_280, "norm_1": 256, "up_conv_2": 36_928, "norm_2": 256,
        "up_conv_3": 73_856, "norm_3": 512, "conv_4": 33_024, "norm_4": 1_024, "logits": 257,
    }  # fmt: skip
    assert encoder.count_params() == 345_411 and decoder.count_params() == 204_545
    assert encoder.count_params() + decoder.count_params() == 549_956
    assert sum(int(np.prod(w.shape)) for w in decoder.non_trainable_weights) == 1_024
    sizes = [encoder.get_layer(f"conv_{i}").output.shape[1] for i in (1, 2, 3, 4)]
    pooled = [encoder.get_layer(f"pool_{i}").output.shape[1] for i in (1, 2, 3, 4)]
    assert sizes == [254, 125, 61, 29] and pooled == [127, 63, 31, 15]
    assert encoder.get_layer("flatten").output.shape[1] == 28_800


@pytest.mark.parametrize(("size", "width", "d"), [(32, 0.05, 1), (40, 0.125, 2), (64, 0.25, 5), (104, 0.03, 3)])
def test_any_size_width_and_latent_dimension(size, width, d):
    vae = VAE(SMOKE.replace(image_size=size, width=width, latent_dim=d))
    outputs = vae(np.zeros((2, size, size), "uint8"))
    assert outputs["mu"].shape == (2, d) and outputs["logits"].shape == (2, size, size)


def test_initial_weights_are_the_studys():
    vae = VAE(SMOKE.replace(width=1.0))
    for layer in (*vae.encoder.layers, *vae.decoder.layers):
        if hasattr(layer, "kernel"):
            kernel = np.asarray(layer.kernel)
            # the deviation of n normal draws has a relative standard error of 1/sqrt(2n)
            assert kernel.std() == pytest.approx(0.05, rel=5 / np.sqrt(2 * kernel.size))
            assert abs(kernel.mean()) < 5 * 0.05 / np.sqrt(kernel.size)
        if getattr(layer, "bias", None) is not None:
            assert not np.asarray(layer.bias).any()
    assert vae.decoder.get_layer("dense").bias is None


def test_the_seed_decides_the_weights_and_nothing_global_does():
    keras.utils.set_random_seed(1)
    first = VAE(SMOKE)
    keras.utils.set_random_seed(2)
    again, other = VAE(SMOKE), VAE(SMOKE.replace(seed=1))
    assert all((np.asarray(a) == np.asarray(b)).all() for a, b in zip(first.weights, again.weights, strict=True))
    kernels = [np.asarray(vae.encoder.get_layer("z_mean").kernel) for vae in (first, other)]
    assert (kernels[0] != kernels[1]).mean() > 0.99


def test_the_loss_is_that_of_the_pure_functions():
    for settings in ({"gamma": 0.3}, {"gamma": 0.3, "penalty": "covariance", "kl_scaling": "half_sum"}):
        experiment = SMOKE.replace(beta=0.02, **settings)
        vae = VAE(experiment)
        outputs = vae(IMAGES, training=True)
        value = float(vae.compute_loss(x=IMAGES, y_pred=outputs))
        mu, x_hat = np.asarray(outputs["mu"]), 1 / (1 + np.exp(-np.asarray(outputs["logits"], "float64")))
        expected = (
            losses.binary_crossentropy(IMAGES / 255, x_hat)
            + 0.02 * losses.kl_divergence(mu, 2 * np.log(0.1), scaling=experiment.kl_scaling)
            + 0.3 * losses.PENALTIES[experiment.penalty](mu)
        )
        assert value == pytest.approx(expected, rel=1e-5)
        assert {tracker.name for tracker in vae.trackers} == {"cross_entropy", "kl", "penalty"}


def latents(variance):
    """Return z, mu and log_variance of a trained size; the first ones of a model are near 0."""
    z, mu, noise = np.random.default_rng(1).normal(size=(3, 6, 3))
    return z, mu, noise if variance == "learned" else np.array(2 * np.log(0.1))


def outputs_with(vae, z, mu, log_variance):
    given = {"z": z, "mu": mu, "log_variance": log_variance}
    return vae(IMAGES) | {name: keras.ops.convert_to_tensor(array, "float32") for name, array in given.items()}


def pure(penalty, z, mu, log_variance, weights=None, *, capacity=0.0):
    """Return a penalty's value from the pure functions."""
    return {
        "dip_vae_ii": lambda: losses.dip_vae_ii(mu, log_variance, weights),
        "total_correlation": lambda: losses.total_correlation(z, mu, log_variance, 270, weights),
        "capacity": lambda: losses.capacity_gap(mu, log_variance, capacity, weights),
    }.get(penalty, lambda: losses.PENALTIES[penalty](mu, weights))()


@pytest.mark.parametrize("variance", ["constant", "learned"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_every_penalty_is_that_of_the_pure_function(penalty, variance):
    vae = VAE(SMOKE.replace(penalty=penalty, gamma=0.3, variance=variance, capacity=9.0))
    value = vae.loss_terms(IMAGES, outputs_with(vae, *latents(variance)))["penalty"]
    assert float(value) == pytest.approx(float(pure(penalty, *latents(variance))), rel=1e-4)
    assert keras.ops.shape(value) == ()


def test_the_latents_that_are_decoded_are_those_of_the_penalty():
    vae = VAE(SMOKE)
    outputs = vae(IMAGES)
    assert outputs["z"].shape == (6, 3)
    assert 0.01 < np.std(np.asarray(outputs["z"]) - np.asarray(outputs["mu"])) < 0.3
    np.testing.assert_allclose(vae.decoder(outputs["z"])[..., 0], outputs["logits"], atol=1e-5)


def test_the_capacity_grows_with_the_steps_of_training_alone():
    """270 images in batches of 32 make 9 steps an epoch; over half of 2 epochs C grows to 18 nats, 2 a step."""
    vae = VAE(SMOKE.replace(penalty="capacity", gamma=1e-6, capacity=18.0, capacity_growth=0.5))
    for step in range(12):
        outputs = vae(IMAGES)
        divergence = losses.kl_divergence(np.asarray(outputs["mu"]), 2 * np.log(0.1), scaling="half_sum")
        value = float(vae.loss_terms(IMAGES, outputs)["penalty"])
        assert value == pytest.approx(abs(divergence - min(2 * step, 18)), rel=1e-4)
        vae.compute_loss(x=IMAGES, y_pred=outputs, training=False)
        vae.compute_loss(x=IMAGES, y_pred=outputs, training=True)
    assert len(vae.weights) == len(VAE(SMOKE).weights) + 1  # other penalties have no weight more than they had


def test_weights_per_image():
    vae = VAE(SMOKE.replace(sample_weights="per_image"))
    outputs = vae(IMAGES)
    value = float(vae.loss_terms(IMAGES, outputs, np.array([0, 2, 0, 1, 0, 0], "float32"))["cross_entropy"])
    logits = np.asarray(outputs["logits"])
    cross_entropies = [losses.binary_crossentropy_from_logits(IMAGES[i] / 255, logits[i]) for i in range(6)]
    assert value == pytest.approx((2 * cross_entropies[1] + cross_entropies[3]) / 6, rel=1e-5)


@pytest.mark.parametrize("form", ["per_image", "per_batch"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_weights_per_batch_multiply_every_term_and_the_loss_by_their_mean(penalty, form):
    """The penalty with weights of the images' own is the pure function's, which knows no such factor."""
    settings = {"penalty": penalty, "gamma": 0.3, "beta": 0.2, "variance": "learned", "capacity": 9.0}
    vae = VAE(SMOKE.replace(sample_weights=form, **settings))
    if penalty == "capacity":
        vae.step.assign(6)  # of 18, so C has grown to 3
    outputs, weights = outputs_with(vae, *latents("learned")), np.array([0, 2, 0, 1, 0, 0], "float32")
    plain, weighted = (
        {name: float(value) for name, value in vae.loss_terms(IMAGES, outputs, given).items()}
        for given in (None, weights)
    )
    if form == "per_batch":
        assert weighted == pytest.approx({name: 0.5 * value for name, value in plain.items()}, rel=1e-5)
    else:
        own = float(pure(penalty, *latents("learned"), weights, capacity=3.0))
        assert weighted["penalty"] == pytest.approx(own, rel=1e-4) != pytest.approx(0.5 * plain["penalty"], rel=1e-3)
    loss = float(vae.compute_loss(x=IMAGES, y_pred=outputs, sample_weight=weights, training=False))
    assert loss == pytest.approx(weighted["cross_entropy"] + 0.2 * weighted["kl"] + 0.3 * weighted["penalty"], rel=1e-5)


def test_the_two_headed_vae_learns_its_variance():
    vae = VAE(SMOKE.replace(variance="learned"))
    assert [output.shape for output in vae.encoder.outputs] == [(None, 3), (None, 3)]
    outputs = vae(IMAGES)
    assert outputs["log_variance"].shape == (6, 3)
    before = np.asarray(vae.encoder.get_layer("z_log_variance").kernel)
    vae.compile(optimizer="adam", jit_compile=False)
    vae.fit(IMAGES, batch_size=6, verbose=0)
    assert (np.asarray(vae.encoder.get_layer("z_log_variance").kernel) != before).any()


def test_one_latent_trains_without_a_penalty():
    vae = VAE(SMOKE.replace(latent_dim=1))
    assert float(vae.loss_terms(IMAGES, vae(IMAGES))["penalty"]) == 0


@pytest.mark.parametrize("kind", ["rotation", "signed_permutation"])
def test_turning_the_latent_space_changes_nothing_but_the_latents(kind):
    plain, turned = VAE(SMOKE), VAE(SMOKE.replace(initial_rotation=kind))
    matrix = initial_rotation(turned.experiment)
    assert matrix is not None and initial_rotation(SMOKE) is None
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-6)
    assert abs(matrix - np.eye(3)).max() > 0.1
    if kind == "signed_permutation":
        assert set(np.unique(matrix)) <= {-1, 0, 1}
    a, b = plain(IMAGES), turned(IMAGES)
    np.testing.assert_allclose(a["mu"] @ matrix, b["mu"], atol=1e-6)
    np.testing.assert_allclose(a["logits"], b["logits"], atol=1e-5)


def test_bfloat16_keeps_float32_weights_latents_and_losses():
    vae = VAE(SMOKE.replace(precision="bfloat16"))
    outputs = vae(IMAGES, training=True)
    assert {str(w.dtype) for w in vae.weights} == {"float32"}
    assert str(outputs["mu"].dtype) == "<dtype: 'float32'>" and "float32" in str(outputs["logits"].dtype)
    assert vae.decoder.get_layer("up_conv_3").compute_dtype == "bfloat16"
    np.testing.assert_allclose(VAE(SMOKE)(IMAGES)["mu"], outputs["mu"], rtol=0.05, atol=2e-3)


def test_the_decoders_first_layer_undoes_any_linear_change_of_the_latents():
    """Which is why what `vaelib.disentanglement.unmixing` does to finished latents costs nothing in reconstruction."""
    random = np.random.default_rng(5)
    mu, matrix = random.normal(size=(40, 3)), random.normal(size=(3, 3))
    decoder = VAE(SMOKE).decoder
    for variable in decoder.trainable_variables:
        if variable.path.endswith("kernel"):
            variable.assign(8 * variable)  # so tiny a network with the study's small weights draws hardly anything
    plain, other = np.array(decoder(mu)), np.array(decoder(mu @ matrix))
    entry = decoder.get_layer("dense")
    entry.set_weights([np.linalg.solve(matrix, entry.get_weights()[0])])
    np.testing.assert_allclose(decoder(mu @ matrix), plain, atol=1e-5)
    assert np.ptp(plain, axis=0).max() > 0.01 and abs(other - plain).max() > 0.01


@pytest.mark.parametrize("act", [lambda model, path: model.save(path), lambda model, _: deepcopy(model)])
def test_the_joined_model_says_what_can_be_saved(tmp_path, act):
    with pytest.raises(TypeError, match=r"^the joined model cannot be saved or copied: Run.save_keras writes"):
        act(VAE(SMOKE), tmp_path / "model.keras")
