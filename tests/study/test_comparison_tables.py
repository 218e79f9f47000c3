"""The tables of the comparison: every cell from the runs, a dash for what is missing, chance beside every score."""

from sweep_rows import row

from vaelib.study import comparison, comparison_tables
from vaelib.study.methods import STANDARD


def test_the_table_at_equal_error_has_a_row_a_setting_and_a_dash_for_what_is_missing():
    known = {"alignment_turned": 0.3, "alignment_chance": 0.01, "active_units": 3.0}
    rows = [row(seed, alignment=0.5 + 0.1 * seed, **known) for seed in range(2)]
    rows.append(row(2, 0.3, alignment=0.7, **known))
    head, cells = comparison_tables.equal_error_rows(comparison.at_equal_error(rows), 0.05)
    assert len(cells) == 1 and len(cells[0]) == len(head)
    assert cells[0][:5] == ["standard loss", "3 (1)", "4.00", "3.0 ± 0.0", "–"]
    assert cells[0][5:] == ["0.60 ± 0.25 (0.30 ± 0.00; 0.01)", "–"]


def test_without_one_of_them_the_brackets_hold_the_other():
    rows = [row(seed, mig=0.2, mig_turned=0.1, mean_correlation=0.4, mean_correlation_chance=0.02) for seed in range(2)]
    _, (cells,) = comparison_tables.equal_error_rows(comparison.at_equal_error(rows), 0.05)
    assert cells[4:] == ["0.40 ± 0.00 (0.02)", "–", "0.200 ± 0.000 (0.100 ± 0.000)"]


def test_every_score_stands_beside_its_chance():
    rows = [row(seed, mig=0.2, mig_chance=0.01, beta_vae=0.9, beta_vae_chance=0.5) for seed in range(2)]
    head, cells = comparison_tables.score_rows(comparison.settings_of(rows, STANDARD))
    assert head == ["", "standard loss"] and len(cells) == len(comparison_tables.SCORES)
    by_label = {label: rest for label, *rest in cells}
    assert by_label["MIG"] == ["0.20 ± 0.00 (0.01)"] and by_label["β-VAE score"] == ["0.90 ± 0.00 (0.50)"]
    assert by_label["SAP"] == ["–"]


def test_tables_hold_no_formulas_which_would_be_shown_as_they_are_written():
    assert "$" not in "".join([*comparison_tables.SCORES.values(), *comparison_tables.CRITERIA.values()])


def test_the_scores_are_those_that_a_run_is_measured_by():
    from vaelib import study

    measured = study.committed().rows[0]
    assert all(name in measured and f"{name}_chance" in measured for name in comparison_tables.SCORES)
    searched = [f"{name}_{which}" for name in comparison_tables.CRITERIA for which in ("turned", "highest")]
    assert all(name in measured for name in (*searched, "mean_correlation_turned", "disentanglement_at_aligned"))


def test_what_turning_could_gain_is_the_best_minus_the_trained():
    known = {"mig": 0.2, "mig_chance": 0.01, "mig_turned": 0.1, "mig_highest": 0.5, "mean_correlation": 0.4}
    rows = [row(seed, **known) for seed in range(2)]
    (base,) = comparison.settings_of(rows, STANDARD)
    head, cells = comparison_tables.turning_rows(base)
    by_label = {label: rest for label, *rest in cells}
    assert all(len(line) == len(head) for line in cells)
    assert by_label["MIG"] == ["0.01", "0.10 ± 0.00", "0.20 ± 0.00", "0.50 ± 0.00", "0.30 ± 0.00"]
    assert by_label["mean |correlation| (low is the aim)"][2:] == ["0.40 ± 0.00", "0", "0.40 ± 0.00, all of it"]
    assert by_label["SAP"] == ["–"] * 5


def test_what_is_found_at_another_rotation_says_so():
    rows = [row(seed, disentanglement=0.6, disentanglement_at_aligned=0.5) for seed in range(2)]
    _, cells = comparison_tables.turning_rows(comparison.settings_of(rows, STANDARD)[0])
    by_label = {label: rest for label, *rest in cells}
    dci = by_label["DCI disentanglement (where the alignment is best)"]
    assert dci == ["–", "–", "0.60 ± 0.00", "0.50 ± 0.00", "-0.10 ± 0.00"]


def test_what_another_rule_would_change_is_stated_in_words():
    first = {("mig", "above"): ["covariance"], ("mig", "below"): [], ("alignment", "below"): ["β-TCVAE", "DIP-VAE-I"]}
    then = {("mig", "above"): ["β-TCVAE"], ("mig", "below"): ["DIP-VAE-I"], ("alignment", "below"): []}
    assert comparison_tables.side_changes(first, first) == "nothing"
    assert comparison_tables.side_changes(first, then) == (
        "no longer higher in MIG: covariance; now higher in MIG: β-TCVAE; now lower in MIG: DIP-VAE-I; "
        "no longer lower in alignment with (a, b): β-TCVAE and DIP-VAE-I"
    )
