"""Words and codes of senders, turned into ours (FHIR codes where FHIR has them)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

Sex = Literal["male", "female", "other", "unknown"]

# HL7 table 0001 as HL7's own map to FHIR reads it (v2-to-FHIR, ConceptMap table-hl70001-to-administrative-gender), and
# GB/T 2261.1: 0 未知的性别, 1 男性, 2 女性, 9 未说明的性别 (nobody said which; that is not a third sex).
SEXES: Final[dict[str, Sex]] = {
    "M": "male", "1": "male", "男": "male", "男性": "male", "MALE": "male",
    "F": "female", "2": "female", "女": "female", "女性": "female", "FEMALE": "female",
    "O": "other", "A": "other", "N": "other", "OTHER": "other", "其他": "other",
    "U": "unknown", "0": "unknown", "9": "unknown", "UNKNOWN": "unknown", "未知": "unknown", "不详": "unknown",
    "未知的性别": "unknown", "未说明": "unknown", "未说明的性别": "unknown",
}  # fmt: skip


def clean(text: str) -> str:
    """Full-width to ASCII, trimmed, inner white space single."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip()


def sex_code(told: str) -> Sex:
    """HL7 table 0001, GB/T 2261.1 or words. What we cannot read is unknown; nothing is guessed."""
    return SEXES.get(clean(told).upper(), "unknown")


Relation = Literal[
    "self", "spouse", "son", "daughter", "child", "child-in-law", "grandchild", "father", "mother", "parent",
    "parent-in-law", "grandparent", "sibling", "relative", "guardian", "carer", "friend", "colleague", "other",
]  # fmt: skip

RELATION_WORDS: Final[dict[str, Relation]] = {
    "本人": "self", "患者本人": "self", "户主": "self", "SEL": "self", "SELF": "self",
    "配偶": "spouse", "丈夫": "spouse", "夫": "spouse", "妻": "spouse", "妻子": "spouse", "老公": "spouse",
    "老婆": "spouse", "爱人": "spouse", "老伴": "spouse", "夫妻": "spouse", "SPO": "spouse", "SPOUSE": "spouse",
    "儿子": "son", "子": "son", "长子": "son", "次子": "son", "独生子": "son", "SON": "son",
    "女儿": "daughter", "女": "daughter", "长女": "daughter", "次女": "daughter", "独生女": "daughter",
    "DAU": "daughter", "DAUGHTER": "daughter",
    "子女": "child", "孩子": "child", "CHD": "child", "NCH": "child", "CHILD": "child",
    "儿媳": "child-in-law", "媳妇": "child-in-law", "女婿": "child-in-law",
    "孙子": "grandchild", "孙女": "grandchild", "外孙": "grandchild", "外孙女": "grandchild", "孙": "grandchild",
    "孙子女": "grandchild", "GCH": "grandchild",
    "父亲": "father", "父": "father", "爸爸": "father", "爸": "father", "FTH": "father", "FATHER": "father",
    "母亲": "mother", "母": "mother", "妈妈": "mother", "妈": "mother", "MTH": "mother", "MOTHER": "mother",
    "父母": "parent", "双亲": "parent", "PAR": "parent", "PARENT": "parent",
    "公公": "parent-in-law", "婆婆": "parent-in-law", "岳父": "parent-in-law", "岳母": "parent-in-law",
    "祖父": "grandparent", "祖母": "grandparent", "爷爷": "grandparent", "奶奶": "grandparent",
    "外公": "grandparent", "外婆": "grandparent", "外祖父": "grandparent", "外祖母": "grandparent",
    "祖父母": "grandparent", "GRP": "grandparent",
    "兄弟": "sibling", "哥哥": "sibling", "弟弟": "sibling", "姐姐": "sibling", "妹妹": "sibling", "兄": "sibling",
    "弟": "sibling", "姐": "sibling", "妹": "sibling", "兄弟姐妹": "sibling", "SIB": "sibling", "BRO": "sibling",
    "SIS": "sibling", "BROTHER": "sibling", "SISTER": "sibling",
    "亲属": "relative", "亲戚": "relative", "其他亲属": "relative", "家属": "relative", "侄子": "relative",
    "侄女": "relative", "外甥": "relative", "EXF": "relative",
    "监护人": "guardian", "GRD": "guardian", "GUARDIAN": "guardian", "LEGALGUARDIAN": "guardian",
    "护工": "carer", "保姆": "carer", "照护者": "carer", "CGV": "carer", "HPWR": "carer",
    "朋友": "friend", "邻居": "friend", "FND": "friend", "NBR": "friend", "FRIEND": "friend",
    "同事": "colleague", "单位": "colleague", "领导": "colleague", "ASC": "colleague", "EMR": "colleague",
}  # fmt: skip

RELATION_CLASSES: Final[dict[str, Relation]] = {
    "0": "self", "1": "spouse", "2": "son", "3": "daughter", "4": "grandchild", "5": "parent", "6": "grandparent",
    "7": "sibling", "8": "relative",
}  # fmt: skip
"""First digit of a GB/T 4761 code."""
RELATION_DIGITS: Final[dict[str, Relation]] = {"51": "father", "52": "mother", "97": "other"}
"""Codes of GB/T 4761 that say more than their first digit."""


def relation_code(told: str) -> Relation:
    """A relation as sent (GB/T 4761 digits, HL7 table 0063 or words) as ours; "other" when it is none of them."""
    words = clean(told)
    known = RELATION_WORDS.get(words.upper())
    if known:
        return known
    if re.fullmatch(r"[0-9]{1,2}", words):
        return RELATION_DIGITS.get(words) or _relation_class(words)
    return "other"


def _relation_class(digits: str) -> Relation:
    return RELATION_CLASSES.get(digits[0], "other") if len(digits) == 2 or digits != "9" else "other"


def icd_key(code: str) -> str:
    """An ICD-10 code as a key for matching: upper case, no dagger pair, dot after three characters.

    `I10.x00x002` → `I10.X00X002`, `a01.000x005+J17.0*` → `A01.000X005`, `I2101` → `I21.01`, `Ｉ２１．０` → `I21.0`,
    `M8140/3` → `M81.40/3`. The original is kept beside it.
    """
    key = re.sub(r"\s", "", unicodedata.normalize("NFKC", code)).upper()
    key = re.split(r"[+†]", key)[0].rstrip("*-")
    if "." not in key and len(key) > 3:
        key = f"{key[:3]}.{key[3:]}"
    return key.rstrip(".")


def procedure_key(code: str) -> str:
    """An ICD-9-CM-3 code as a key: `36.0600x004` → `36.0600X004`, `3606` → `36.06`."""
    key = re.sub(r"\s", "", unicodedata.normalize("NFKC", code)).upper()
    if "." not in key and len(key) > 2 and key[:2].isdigit():
        key = f"{key[:2]}.{key[2:]}"
    return key.rstrip(".")
