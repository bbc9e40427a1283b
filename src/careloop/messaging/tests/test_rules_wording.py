import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.messaging.rules import wording
from careloop.messaging.rules.wording import MissingValue, TemplateFault

BANNED = json.loads(files("careloop.messaging").joinpath("content/banned_words.json").read_text("utf-8"))["words"]
SHIPPED = json.loads(files("careloop.messaging").joinpath("content/templates.json").read_text("utf-8"))["templates"]
HOSTILE = (
    "{{ settings.SECRET_KEY }}",
    "{{salutation}}",
    "{% debug %}",
    "{salutation.__class__}",
    "{salutation[0]}",
    "{salutation!r}",
    "{salutation:>999999999}",
    "{salutation.__init__.__globals__}",
    "{0}",
    "{}",
    "{ salutation }",
    "{Salutation}",
    "${7*7}",
    "#{7*7}",
    "{salutation",
    "salutation}",
    "{{{salutation}}}",
    "{patient}",
    "{diagnosis}",
    "{department}",
    "{__import__}",
    "{link\u200b}",
    "{link}}",
)
VALUES = {name: p.sample for name, p in wording.PLACEHOLDERS.items()}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_templates_are_refused_when_saved(text):
    with pytest.raises(TemplateFault) as fault:
        wording.check_template("您好 " + text, BANNED, sms=True)
    assert fault.value.code in {"bad-brace", "unknown-placeholder"}


@given(st.text(max_size=200))
def test_any_text_is_refused_or_rendered_literally(text):
    try:
        names = wording.placeholders(text)
    except TemplateFault:
        return
    rendered = wording.render(text, VALUES)
    expected = text
    for name in names:
        expected = expected.replace("{" + name + "}", VALUES[name])
    assert rendered == expected


@given(st.text(max_size=60), st.sampled_from(sorted(wording.PLACEHOLDERS)))
def test_a_value_is_never_a_template(value, name):
    rendered = wording.render("a{" + name + "}b", {name: value + "{link}"})
    assert rendered.startswith("a")
    assert rendered.endswith("b")
    if name not in wording.SECRETS:
        assert len(rendered) <= 2 + wording.PLACEHOLDERS[name].longest
        assert "\n" not in rendered
        assert "\u202e" not in rendered


@given(st.lists(st.sampled_from(["{link}", "{salutation}", "文", "{", "}", "{x}", "!"]), max_size=12))
def test_parse_is_total(parts):
    text = "".join(parts)
    allowed = text.replace("{link}", "").replace("{salutation}", "")
    if "{" in allowed or "}" in allowed or "{x}" in text:
        with pytest.raises(TemplateFault):
            wording.pieces(text)
    else:
        assert wording.placeholders(text) <= {"link", "salutation"}


def test_missing_value_is_named():
    with pytest.raises(MissingValue) as missing:
        wording.render("{salutation} {due_date}", {"salutation": "周先生"})
    assert missing.value.name == "due_date"


def test_text_from_one_value_cannot_join_into_a_placeholder():
    assert wording.render("{salutation}{place}", {"salutation": "{li", "place": "nk}"}) == "{link}"


@pytest.mark.parametrize(
    ("text", "length", "segments"),
    [
        ("", 0, 0),
        ("字" * 70, 70, 1),
        ("a" * 70, 70, 1),
        ("字" * 71, 71, 2),
        ("字" * 134, 134, 2),
        ("字" * 135, 135, 3),
        ("😀" * 35, 70, 1),
        ("😀" * 36, 72, 2),
        ("字" * 268, 268, 4),
        ("字" * 269, 269, 5),
    ],
)
def test_segments(text, length, segments):
    assert wording.sms_size(text) == wording.SmsSize(length, segments)


@given(st.text(min_size=1, max_size=700))
def test_segments_never_hold_more_than_they_can(text):
    size = wording.sms_size(text)
    assert size.length <= (70 if size.segments == 1 else 67 * size.segments)
    assert size.segments == 1 or size.length > 67 * (size.segments - 1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("您的胃癌术后复查", "disease"),
        ("请到精神科复诊", "department"),
        ("请到精 神 科复诊", "department"),
        ("糖·尿·病随访", "disease"),
        ("您的hiv结果", "disease"),
        ("支架术后第7天", "treatment"),
        ("身份证号核对", "identity"),
        ("号码11010519491231002X", "identity"),
        ("号码110105491231002", "identity"),
        ("Your DIABETES review", "disease"),
    ],
)
def test_words_that_tell_a_stranger_too_much(text, kind):
    assert kind in {finding.kind for finding in wording.forbidden_words(text, BANNED)}


@pytest.mark.parametrize(
    "text", ["please look in the archive", "拨打0571-88880000", "https://sf.example.cn/q/hivTB-PCI", "11月13日出院"]
)
def test_harmless_words_pass(text):
    assert wording.forbidden_words(text, BANNED) == ()


def test_an_identity_number_is_not_repeated_in_the_finding():
    found = wording.forbidden_words("11010519491231002X", BANNED)
    assert found == (wording.WordFinding("identity", "identity-number"),)


def test_template_too_long_is_refused():
    with pytest.raises(TemplateFault) as fault:
        wording.check_template("字" * 230 + "{link}", BANNED, sms=True)
    assert fault.value.code == "too-long"
    wording.check_template("字" * 230 + "{link}", BANNED, sms=False)


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda t: t["code"])
def test_every_shipped_template_may_be_saved_in_both_languages(shipped):
    for channel, texts in shipped["channels"].items():
        assert set(texts) == {"zh", "en"}
        assert wording.placeholders(texts["zh"]) - {"hospital", "phone"} <= wording.placeholders(texts["en"]) | {
            "salutation"
        }
        for text in texts.values():
            wording.check_template(text, BANNED, sms=channel == "sms")
        if channel == "sms":
            assert texts["zh"].startswith("【{hospital}】"), "the hospital's signature comes first"
            assert wording.sms_size(wording.preview(texts["zh"], "zh")).segments <= 2


@pytest.mark.parametrize(
    ("name", "gender", "expected"),
    [
        ("周国强", "male", "周先生"),
        ("欧阳敏", "female", "欧阳女士"),
        ("欧阳", "male", "欧先生"),
        ("赵 敏", "unknown", "赵先生/女士"),
        ("", "male", "您好"),
        ("Li Lei", "male", "您好"),
        ("？？", "female", "您好"),
    ],
)
def test_salutation(name, gender, expected):
    assert wording.salutation(name, gender, "zh") == expected


@pytest.mark.parametrize(
    ("number", "shown"),
    [("+8613800006721", "138****6721"), ("13800006721", "138****6721"), ("88880000", "******00"), ("", "")],
)
def test_masked_phone(number, shown):
    assert wording.masked_phone(number) == shown
