"""The suite's own order: long files first, nothing torn apart, no name of a file that is gone."""

from hypothesis import given
from hypothesis import strategies as st

from tests.browser import ROOT
from tests.order import LONG, by_length, file_of

NAMES = st.lists(st.tuples(st.sampled_from([*LONG[:2], "a.py", "b.py", "c.py"]), st.sampled_from("xyz")))


def test_the_long_files_are_there():
    assert [name for name in LONG if not (ROOT / name).is_file()] == []


def test_long_files_then_those_of_most_tests():
    tests = ["a.py::x", "b.py::x", "b.py::y", f"{LONG[1]}::x", "c.py::x", f"{LONG[0]}::x[a::b]"]
    assert list(by_length(tests)) == [LONG[0], LONG[1], "b.py", "a.py", "c.py"]


@given(NAMES)
def test_every_file_has_one_place(named):
    tests = [f"{file}::{name}" for file, name in named]
    places = by_length(tests)
    assert set(places) == {file_of(test) for test in tests}
    assert sorted(places.values()) == list(range(len(places)))
