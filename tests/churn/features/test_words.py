from pathlib import Path

from churn.features.catalogue import load_catalogue
from churn.features.words import GROUPS, WORDS, wording


def test_every_feature_has_words_and_no_words_are_left_over(project_root: Path) -> None:
    features = {feature.name for feature in load_catalogue(project_root / "dbt")}

    assert features - WORDS.keys() == set(), "say in churn/features/words.py what a new feature is called"
    assert WORDS.keys() - features == set()


def test_every_phrase_has_one_place_for_the_value_and_a_way_without() -> None:
    assert [name for name, words in WORDS.items() if words.phrase.count("{}") != 1] == []
    assert [name for name, words in WORDS.items() if "{}" in words.without] == []
    assert {words.group for words in WORDS.values()} | {"other"} == set(GROUPS)


def test_a_feature_of_another_program_is_called_by_its_name() -> None:
    assert wording("visits_to_the_moon").phrase.format(3) == "visits_to_the_moon 3"
