"""The benchmarks compare like with like, count right and write what they promise; their times are not tested."""

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from gradients import gradients
from scipy.special import expit

from vaelib import Experiment
from vaelib.model import VAE, build_decoder, build_encoder
from vaelib.system import provenance

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TINY = Experiment.from_profile("smoke", latent_dim=4, gamma=0.3, beta=0.02)


def module(name):
    return importlib.import_module(name)


def carry(source, target):
    """Give one of the two models, ours and the stock one, the weights of the other.

    A transposed convolution's kernel is ours turned by 180° with its channels exchanged, and the other way round.
    """
    for part in ("encoder", "decoder"):
        pairs = [[layer for layer in getattr(model, part).layers if layer.weights] for model in (source, target)]
        for mine, theirs in zip(*pairs, strict=True):
            values = mine.get_weights()
            if any(isinstance(layer, keras.layers.Conv2DTranspose) for layer in (mine, theirs)):
                values[0] = values[0][::-1, ::-1].transpose(0, 1, 3, 2)
            theirs.set_weights(values)


def randomise(vae, random):
    """Make all weights random, norms and biases too.

    Away from 0, where a bias that is left out or a variance that is forgotten would go unnoticed.
    """
    for weight in [*vae.encoder.weights, *vae.decoder.weights]:
        norm = "norm" in weight.path
        weight.assign(random.uniform(0.5, 1.5, weight.shape) if norm else random.normal(0, 0.1, weight.shape))


def loss_gradients(model, images):
    """Return the gradients of the loss in training, by place and weight, in the shapes of our own model's weights."""

    def loss():
        return model.compute_loss(images, images, model(images, training=True))

    places = {}
    for part in ("encoder", "decoder"):
        for index, layer in enumerate(layer for layer in getattr(model, part).layers if layer.weights):
            for weight in layer.trainable_weights:
                turned = isinstance(layer, keras.layers.Conv2DTranspose) and weight is layer.kernel
                places[f"{part} {index} {weight.name}"] = (weight, turned)
    computed = gradients(loss, variables=[weight for weight, _ in places.values()])
    return {
        place: gradient[::-1, ::-1].transpose(0, 1, 3, 2) if turned else gradient
        for (place, (_, turned)), gradient in zip(places.items(), computed, strict=True)
    }


def test_the_stock_model_is_ours():
    random = np.random.default_rng(0)
    stock, vae = module("training_stock").StockVAE(TINY), VAE(TINY)
    images = random.integers(0, 256, (6, 32, 32), "uint8")
    stock(images), randomise(vae, random), carry(vae, stock)
    stock.noise.state.assign(vae.sampling.seed_generator.state)
    for training in (False, True):
        ours, theirs = vae(images, training=training), stock(images, training=training)
        np.testing.assert_allclose(ours["mu"], theirs["mu"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(expit(ours["logits"]), theirs["x_hat"], rtol=1e-4)
        for name, value in vae.loss_terms(images, ours).items():
            assert float(value) == pytest.approx(float(stock.loss_terms(images, theirs)[name]), rel=1e-5), name
    # Equal after steps of training too, with the moving statistics.
    for model in (vae, stock):
        model.compile(optimizer=keras.optimizers.SGD(0.05), jit_compile=False)
        before = np.asarray(model.encoder.layers[-1].kernel)
        model.fit(images, batch_size=3, epochs=2, shuffle=False, verbose=0)
        assert (np.asarray(model.encoder.layers[-1].kernel) != before).any()
    ours, theirs = vae(images), stock(images)
    np.testing.assert_allclose(ours["mu"], theirs["mu"], rtol=1e-3, atol=1e-4)
    for name, value in vae.loss_terms(images, ours).items():
        assert float(value) == pytest.approx(float(stock.loss_terms(images, theirs)[name]), rel=1e-4), name
    # And back: what the stock model learnt, ours draws.
    back = VAE(TINY.replace(seed=1))
    carry(stock, back)
    back.sampling.seed_generator.state.assign(stock.noise.state)
    ours, theirs = back(images), stock(images)
    np.testing.assert_allclose(ours["mu"], theirs["mu"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(expit(ours["logits"]), theirs["x_hat"], rtol=1e-4)


# At a kink, where a relu's input is 0 or a pooling's two largest are equal, rounding decides for one side, and with it
# for a gradient. In these draws all are farther from one than 1e-6 of the largest beside them, over ten roundings.
# And in each layer some ReLU is 0: if all let everything pass, a bias before a batch norm would have only rounding
# as its gradient.
@pytest.mark.parametrize("seed", [5, 6, 23])
def test_the_stock_models_gradients_are_ours(seed):
    """For every weight, each number to 1e-4 of the largest beside it, not of itself, as its terms can cancel."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (3, 32, 32), "uint8")
    stock, vae = module("training_stock").StockVAE(TINY), VAE(TINY)
    stock(images), randomise(vae, random), carry(vae, stock)
    stock.noise.state.assign(vae.sampling.seed_generator.state)
    mine, theirs = (loss_gradients(model, images) for model in (vae, stock))
    assert mine.keys() == theirs.keys()
    assert len(mine) == len(vae.trainable_variables) == len(stock.trainable_variables)
    for place, gradient in theirs.items():
        largest = abs(gradient).max()
        assert largest > 1e-5, f"{place}: no gradient but rounding"
        np.testing.assert_allclose(mine[place], gradient, rtol=0, atol=1e-4 * largest, err_msg=place)


def test_the_stock_model_has_the_studys_parameters():
    stock = module("training_stock")
    paper = Experiment.from_profile("paper")
    assert stock.encoder(paper).count_params() == 345_411 == build_encoder(paper).count_params()
    assert stock.decoder(paper).count_params() == 204_545 == build_decoder(paper).count_params()


def test_operations_of_the_studys_model():
    flops = module("training").training_flops
    paper = Experiment.from_profile("paper")
    assert flops(paper, "stock") / 1e9 == pytest.approx(52, abs=0.5)
    assert flops(paper, "phases") / 1e9 == pytest.approx(34, abs=0.5)
    # The up-convolutions alone differ: outputs × channels in × channels out × 5 products saved, each 2 operations.
    saved = 64**2 * 16 * 64 + 128**2 * 64 * 64 + 256**2 * 64 * 128
    assert flops(paper, "stock") - flops(paper, "phases") == 3 * 2 * 5 * saved


@pytest.mark.parametrize(("size", "width", "d"), [(256, 1.0, 3), (64, 0.25, 3), (104, 0.03, 5)])
def test_operations_are_those_of_the_layers(size, width, d):
    experiment = Experiment.from_profile("smoke", image_size=size, width=width, latent_dim=d)
    stock = module("training_stock")
    products = 0
    for layer in (*stock.encoder(experiment).layers, *stock.decoder(experiment).layers):
        if hasattr(layer, "kernel"):  # every weight of a kernel meets every position of the output once
            positions = math.prod(layer.output.shape[1:-1])
            products += positions * math.prod(layer.kernel.shape)
    assert module("training").training_flops(experiment, "stock") == 6 * products


def test_targets_are_judged_from_both_sides():
    training = module("training")
    rows = {"vaelib float32": {"times_stock": {"median": 2.0}, "peak_bytes": 3e9}}
    for column, bounds, met in (
        ("times_stock", {"least": 2.0}, True),
        ("times_stock", {"least": 2.1}, False),
        ("peak_bytes", {"most": 3.1e9}, True),
        ("peak_bytes", {"most": 2.9e9}, False),
    ):
        assert training.judge(training.Target(None, column, "", **bounds), rows, "float32")["met"] is met


@pytest.mark.parametrize(
    ("times", "memory", "met"), [(20.0, 199e6, [True, True]), (19.9, 200e6, [False, False]), (50.0, 3e8, [True, False])]
)
def test_the_drawings_targets_are_judged(times, memory, met):
    assert [target["met"] for target in module("dataset").judge(times, memory)] == met


def test_models_that_differ_are_not_compared():
    counts = {"encoder": 1, "decoder": 2}
    training = module("training")
    training.check_parameters({"stock float32": counts, "vaelib float32": dict(counts)})
    with pytest.raises(SystemExit, match="differ"):
        training.check_parameters({"stock float32": counts, "vaelib float32": {**counts, "decoder": 3}})


def test_ratios_are_taken_within_a_round():
    ratios = module("common").ratios([2.0, 30.0, 6.0], [1.0, 10.0, 6.0])
    assert ratios == {"median": 2.0, "min": 1.0, "max": 3.0, "rounds": [2.0, 3.0, 1.0]}


def test_a_quick_run_of_the_training_benchmark_writes_its_figures(tmp_path):
    file = tmp_path / "new" / "training.json"
    program = [sys.executable, BENCHMARKS / "training.py", "--quick", "--rounds", "1", "--json", file]
    done = subprocess.run(program, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(file.read_text())
    assert report["machine"]["processor"] in done.stdout and report["machine"]["versions"]["tensorflow"] in done.stdout
    size = report["sizes"]["quick"]
    assert {"stock float32", "vaelib float32", "vaelib bfloat16"} <= set(size["variants"])
    for name, row in size["variants"].items():
        figures = [row[of]["median"] for of in ("images_per_second", "times_stock", "share_of_peak")]
        figures += [row["peak_bytes"], row["steps_per_turn"]]
        assert all(math.isfinite(figure) and figure > 0 for figure in figures), row
        assert name in done.stdout
        assert row["above_model_bytes"] < row["peak_bytes"] < 64e9
    assert size["variants"]["stock float32"]["times_stock"]["median"] == 1
    assert all(size["peak_gflops"][precision]["median"] > 0 for precision in ("float32", "bfloat16"))


def executed_chapter(begin, end, *cells):
    """Return an executed notebook with papermill's marks; begin, end: seconds after noon; cells: source and seconds."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title")])
    made.metadata["papermill"] = {
        name: f"2026-01-01T12:00:{seconds:02d}.000000+00:00"
        for name, seconds in (("start_time", begin), ("end_time", end))
    }
    for source, duration in cells:
        metadata = {"papermill": {"duration": duration}}
        made.cells.append(nbformat.v4.new_code_cell(source, metadata=metadata))
    return made


@pytest.fixture
def finished_build(tmp_path):
    """What a build leaves: two chapters, two trainings of the chapters' size, three small ones."""
    notebooks = tmp_path / "source" / "notebooks"
    notebooks.mkdir(parents=True)
    first = executed_chapter(5, 30, ("import os\n# Why.\nrun = train()", 20.5), ("import os", 0.5), ("not_run()", None))
    nbformat.write(first, notebooks / "01_one.ipynb")
    nbformat.write(executed_chapter(3, 9, ("draw(\n    1\n)", 4.0)), notebooks / "02_two.ipynb")
    nbformat.write(executed_chapter(0, 1), notebooks / "03_kept.ipynb")
    parts = {"staging": 1.0, "study": 30.0, "02_two": 7.0, "01_one": 26.0, "jupyter-book": 8.0, "total": 66.0}
    (tmp_path / "timings.json").write_text(json.dumps(parts))
    for name, wall_time in {"a": 9.0, "b": 11.0, "sweep/c": 15.0, "sweep/d": 16.0, "sweep/e": 17.0}.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "provenance.json").write_text(json.dumps({"wall_time": wall_time}))
    return tmp_path


def test_the_report_of_a_build_by_hand(finished_build):
    book = module("book")
    report = book.report(finished_build)
    assert list(report["chapters"].items()) == [
        ("02_two", {"begin": 0.0, "end": 6.0, "seconds": 7.0}),
        ("01_one", {"begin": 2.0, "end": 27.0, "seconds": 26.0}),
    ]
    named = [(cell["chapter"], cell["line"], cell["seconds"]) for cell in report["longest_cells"]]
    assert named == [("01_one", "run = train()", 20.5), ("02_two", "draw(", 4.0), ("01_one", "import os", 0.5)]
    assert report["own_trainings"] == {"number": 2, "seconds": 20.0}
    assert report["small_trainings"] == {"number": 3, "seconds": 48.0}
    # Two cores for 30 s make three trainings of 20 s; in 20 s they cannot all have been trained.
    assert book.core_seconds(report, cores=2) == pytest.approx(20.0)
    assert book.core_seconds({**report, "parts": {"study": 20.0}}, cores=2) is None
    assert book.core_seconds({**report, "parts": {}}, cores=2) is None


def test_an_earlier_build_is_reported_without_a_reference(finished_build):
    command = [sys.executable, BENCHMARKS / "book.py", "--report", finished_build, "--json", finished_build / "b.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((finished_build / "b.json").read_text())
    assert report["machine"]["processor"] in done.stdout and "trainings, small: 3, 48.0 s together" in done.stdout
    assert "stock" not in done.stdout and "reference_seconds" not in report
    done = subprocess.run([*command[:3], finished_build / "runs"], capture_output=True, text=True)
    assert done.returncode == 1 and "no finished build" in done.stderr


@pytest.mark.parametrize("options", [["--report", "_build", "--profile", "smoke"], ["--reuse"]])
def test_options_that_make_no_sense_of_a_build_are_refused(options, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["book.py", *options])
    with pytest.raises(SystemExit, match="2"):
        module("book").main()
    assert "builds nothing" in (said := capsys.readouterr().err) or "does not tell what it costs" in said


def test_a_small_training_is_compared_with_stock_keras_before_and_after_the_build(finished_build, monkeypatch, capsys):
    book = module("book")
    plain, built = iter([4.0, 5.0]), []

    def build(output, options):
        built.append(options)
        return {"command": 70.0, "processors": 70.0}

    monkeypatch.setattr(book, "reference", lambda experiment, cores: next(plain))
    monkeypatch.setattr(book, "build", build)
    measured = book.measure(["--profile", "book"], finished_build, TINY, {"cores": 2})
    assert built == [["--profile", "book"]] and measured["busy"] == 0.5
    assert measured["small_training_times_reference"]["rounds"] == [5.0, 4.0]
    book.print_report(measured, 2)
    assert "with all that belongs to it: 4.50 times that (4.00-5.00)" in capsys.readouterr().out


def test_a_quick_run_of_the_books_benchmark_writes_its_figures(tmp_path):
    output, file = tmp_path / "book", tmp_path / "b.json"
    program = [sys.executable, BENCHMARKS / "book.py", "--quick", "--output", output, "--json", file]
    done = subprocess.run(program, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())
    assert set(figures["chapters"]) == {"01_dataset"} and (output / "html" / "index.html").is_file()
    assert figures["reference_seconds"]["min"] > 0 and figures["small_trainings"]["number"] == 0
    assert len(figures["longest_cells"]) == 10 and "01_dataset" in done.stdout
    assert 0 < figures["parts"]["total"] < figures["spent"]["command"] and figures["spent"]["processors"] > 0


def test_the_reference_of_the_drawings_covers_the_right_area():
    dataset = module("dataset")
    exact = dataset.reference(1.25, 0.0)  # a circle: the line is a ring of known area
    radius = 1.25 * dataset.SIZE / 2 / dataset.HALF_EXTENT
    assert exact.sum() / 255 == pytest.approx(2 * np.pi * radius * dataset.LINE_WIDTH, rel=2e-3)
    np.testing.assert_allclose(exact, exact[::-1, ::-1], atol=255 * 4 / 256)  # centred to a few points of 256
    rows, columns = np.mgrid[: dataset.SIZE, : dataset.SIZE] - (dataset.SIZE - 1) / 2
    away = np.abs(np.hypot(rows, columns) - radius)
    assert (exact[away > dataset.LINE_WIDTH / 2 + 0.75] == 0).all()
    assert (exact[away < 0.01] > 200).all()


def test_drawings_differ_from_the_reference_by_rounding_and_pillows_by_its_steps():
    errors = module("dataset").errors(np.array([[1.25, 0.5], [0.6, 1.7], [1.9, 0.1]]))
    for name in ("vaelib", "matplotlib"):
        assert 0 < errors[name]["mean_absolute"] < 0.3 and errors[name]["root_mean_square"] < 3
    assert errors["vaelib"]["mean_absolute"] < errors["pillow"]["mean_absolute"] < 3


def test_a_small_run_of_the_films_benchmark_writes_its_figures(tmp_path):
    program = [sys.executable, BENCHMARKS / "films.py", "--rounds", "1", "--images", "100", "--films", "walk"]
    done = subprocess.run([*program, "--json", tmp_path / "f.json"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "f.json").read_text())
    cores = str(figures["machine"]["cores"])
    assert set(figures["films"]) == {"walk"}
    for name, film in figures["films"].items():
        assert name in done.stdout and film["bytes"] > 1000
        assert set(film["seconds"]) == {"1", cores} and film["times_as_fast"]["median"] > 0


@pytest.mark.parametrize(("seconds", "size", "over"), [(59, 2e6, ""), (61, 2e6, "walk"), (59, 3.1e6, "walk")])
def test_a_film_over_its_limits_fails_the_benchmark(seconds, size, over, tmp_path, monkeypatch, capsys):
    films, common = module("films"), module("common")
    machine = common.machine("joblib") | {"cores": 2}
    times = {1: common.spread([100.0]), 2: common.spread([float(seconds)])}
    film = {"seconds": times, "times_as_fast": common.ratios([100.0], [seconds]), "bytes": size}
    monkeypatch.setattr(films, "measure", lambda *given: {"machine": machine, "films": {"walk": film}})
    monkeypatch.setattr(sys, "argv", ["films.py", "--json", str(tmp_path / "f.json")])
    if over:
        with pytest.raises(SystemExit, match="over the limit of 60 s or 3 MB: walk"):
            films.main()
    else:
        films.main()
    assert (tmp_path / "f.json").exists() and "walk" in capsys.readouterr().out


def test_a_small_run_of_the_data_set_benchmark_writes_its_figures(tmp_path):
    file = tmp_path / "new" / "dataset.json"
    numbers = ["--pairs=1", "--images=8", "--matplotlib-images=2", "--pillow-images=2", "--memory-images=8"]
    program = [sys.executable, BENCHMARKS / "dataset.py", *numbers, "--error-images=1", "--json", file]
    done = subprocess.run(program, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())
    for name in ("vaelib", "matplotlib", "pillow"):
        speed, error = figures["images_per_second"][name]["median"], figures["errors"][name]
        assert all(math.isfinite(figure) and figure > 0 for figure in (speed, *error.values()))
    assert set(figures["times"]) == {"matplotlib", "pillow"}
    assert done.stdout.count("target: ") == len(figures["targets"]) == 2


def test_a_small_run_of_the_sweep_benchmark_writes_its_figures(tmp_path):
    cores = provenance.hardware()["cores"]
    program = [sys.executable, BENCHMARKS / "sweep.py", "--rounds", "1", "--epochs", "1", "--images", "100"]
    command = [*program, "--runs", str(cores), "--json", tmp_path / "s.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "s.json").read_text())
    assert set(figures["seconds"]) == set(figures["lines"]) >= {"in turn", "one worker"}
    assert "12,000 runs" in done.stdout and f"hours on {cores}" in done.stdout


@pytest.mark.parametrize(("cores", "last"), [(1, "one worker"), (4, "a worker a core")])
def test_the_sweep_benchmark_finds_the_lines_of_its_ways(monkeypatch, cores, last):
    sweep = module("sweep")
    lines = {"in turn": (3.0, 5.0), "one worker": (8.0, 4.0), "a worker a core": (10.0, 1.5)}  # to begin, a run
    begun, drawn = [], []

    def seconds(way, experiments, workers):
        assert workers == cores and drawn, "the first way would draw the images for the others"
        begun.append((way, len(experiments)))
        return lines[way][0] + lines[way][1] * len({experiment.hash for experiment in experiments})

    monkeypatch.setattr(sweep, "seconds", seconds)
    monkeypatch.setattr(sweep.dataset, "build", drawn.append)
    monkeypatch.setattr(sweep.common, "machine", lambda *packages: {"cores": cores})
    measured = sweep.measure(2, [cores, 3 * cores], None, None)
    ways = list(lines) if cores > 1 else list(lines)[:2]
    assert begun == [(way, n) for n in (cores, 3 * cores) for way in ways] * 2
    for way in ways:
        expected = {"seconds_to_begin": lines[way][0], "seconds_a_run": lines[way][1]}
        assert measured["lines"][way] == pytest.approx(expected)
    most = {way: lines[way][0] + 3 * cores * lines[way][1] for way in ways}
    assert measured["last"] == last
    assert {way: ratio["median"] for way, ratio in measured["last_is_so_many_times_as_fast"].items()} == pytest.approx(
        {way: most[way] / most[last] for way in ways[:-1]}
    )
    assert measured["study"]["core_hours"] == pytest.approx(12_000 * lines[last][1] * cores / 3600)


def test_the_sweep_benchmark_refuses_numbers_that_leave_workers_idle():
    odd = str(2 * provenance.hardware()["cores"] + 1)
    if odd == "3":
        pytest.skip("on one core every number will do")
    done = subprocess.run([sys.executable, BENCHMARKS / "sweep.py", "--runs", odd], capture_output=True, text=True)
    assert done.returncode == 2 and f"runs = '{odd}'; allowed: multiples of" in done.stderr


def test_the_cost_of_the_large_study_by_hand():
    sweep = module("sweep")
    assert sweep.line({2: [12.0, 14.0], 6: [20.0, 22.0]}) == pytest.approx(
        {"seconds_to_begin": 9.0, "seconds_a_run": 2.0}
    )
    assert sweep.line({4: [12.0, 16.0]}) == pytest.approx({"seconds_to_begin": 0.0, "seconds_a_run": 3.5})
    # Two workers take a run of 36 s each every 18 s: 120 core-hours. On 16 cores each trains 750, on 7,000 two.
    cost = sweep.study({"seconds_to_begin": 360.0, "seconds_a_run": 18.0}, cores=2)
    assert cost["core_hours"] == pytest.approx(120) and set(cost["hours"]) == {2, *sweep.CORES}
    assert cost["hours"][2] == pytest.approx(60.1) and cost["hours"][16] == pytest.approx(7.6)
    many = sweep.study({"seconds_to_begin": 0.0, "seconds_a_run": 36 / 7000}, cores=7000)
    assert many["hours"][7000] == pytest.approx(0.02), "two rounds, of which the second is not full"
