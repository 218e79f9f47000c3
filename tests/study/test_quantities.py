"""A run's number is a column, or what several columns give together; where a part is missing, there is none."""

from vaelib.study import quantities


def test_numbers_made_of_columns():
    assert quantities.total_variance({"latent_dim": 2, "spread_1": 3.0, "spread_2": 4.0}) == 25
    assert quantities.total_variance({"latent_dim": 3, "spread_1": 3.0, "spread_2": 4.0}) is None
    assert quantities.excess_curl({"curl_edge": 30.0, "curl_middle": 12.0}) == 18
    assert quantities.excess_curl({"curl_edge": None, "curl_middle": 12.0}) is None
    term = {"term": 1.5, "term_lowest": 1.0, "term_highest": 3.0}
    assert quantities.place_of_term(term) == 0.25
    assert quantities.place_of_term({**term, "term_highest": 1.0}) is None
    assert quantities.place_of_term({**term, "term": None}) is None


def test_a_column_that_a_row_lacks_is_not_a_number():
    mig = quantities.column("mig")
    assert [mig(row) for row in ({"mig": 0.5}, {"mig": None}, {"sap": 0.5})] == [0.5, None, None]
