"""`careloop rulepack`: what an integrator runs against a pack without a hospital's data."""

import json

import pytest

from careloop.config import rulepack
from careloop.publichealth.models import RulePack
from careloop.publichealth.reads import packs
from careloop.publichealth.tests.factories import pack_content, publish_all


@pytest.fixture(autouse=True)
def without_the_long_search(monkeypatch):
    """The search for gaps in every form takes seconds; test_rules.py and one test below do it."""
    monkeypatch.setattr(rulepack, "_holes", lambda url, forms: [])


def written(tmp_path, content, name="pack.json"):
    path = tmp_path / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def test_the_shipped_pack_passes_and_says_what_it_looked_at(capsys):
    assert rulepack.main(["check"]) == 0
    told = capsys.readouterr().out
    assert "5 programmes, 8 forms" in told
    assert f"{len(packs.shipped_scenes())} scenes" in told
    assert "0 problems" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c["programmes"][0]["outcome"].update(in_target=["9"]), "class '9'"),
        (lambda c: c["programmes"][0]["clocks"]["referral-check"].update(days=10), "clocks should be"),
        (lambda c: c.pop("programmes"), "not the expected shape"),
    ],
)
def test_a_wrong_pack_fails_with_the_place(tmp_path, capsys, change, told):
    content = pack_content()
    change(content)
    assert rulepack.main(["check", written(tmp_path, content)]) == 1
    assert told in capsys.readouterr().out


def test_other_vectors_may_be_played(tmp_path, capsys):
    scenes = {"scenes": [{"programme": "hypertension", "name": "n", "visits": [{"form": "follow-up", "on": "2026-01-01", "answers": {}, "expect": {"class": "1"}}]}]}  # fmt: skip
    assert (
        rulepack.main(["check", written(tmp_path, pack_content()), "--vectors", written(tmp_path, scenes, "v.json")])
        == 1
    )
    assert "class should be '1' and is None" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["dance"], ["check", "a", "b"], ["publish"]])
def test_an_unknown_request_says_how_to_ask(capsys, arguments):
    assert rulepack.main(arguments) == 2
    assert "rulepack check" in capsys.readouterr().err


@pytest.mark.django_db
def test_a_hospital_publishes_its_own_version_once(tmp_path, capsys):
    publish_all()
    mine = written(tmp_path, pack_content(version="hospital-1", valid_from="2027-01-01"))
    assert rulepack.main(["publish", mine]) == 0
    assert "hospital-1" in capsys.readouterr().out
    assert RulePack.objects.filter(version="hospital-1", is_shipped=False).exists()
    assert rulepack.main(["publish", written(tmp_path, pack_content(version="hospital-1"))]) == 1
    assert capsys.readouterr().out.strip()


def test_a_gap_in_a_form_is_found(monkeypatch):
    monkeypatch.undo()
    forms = packs.shipped_forms()
    url = "https://careloop.org/Questionnaire/elderly-self-care-national"
    assert rulepack._holes(url, forms) == []
    from dataclasses import replace

    outcomes = forms[url].classification["outcomes"]
    broken = {url: replace(forms[url], classification={"outcomes": outcomes[:1] + outcomes[2:]})}
    assert any("gap" in line for line in rulepack._holes(url, broken))
