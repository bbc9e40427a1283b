"""Every letter says whom to call, so every test's hospital has a number."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from careloop.letters.tests.factories import site


@pytest.fixture(autouse=True)
def reachable_hospital() -> Iterator[None]:
    with site(hospital_phone="0571-88880000", hospital_name="云溪市第一人民医院"):
        yield
