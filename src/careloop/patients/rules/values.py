"""Values and units of results: numbers, comparators, words, UCUM units, flags; and the few we draw."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

Comparator = Literal["", "<", "<=", ">", ">="]
COMPARATORS: Final[dict[str, Comparator]] = {
    "<": "<", "<=": "<=", "=<": "<=", "≤": "<=", "≦": "<=", ">": ">", ">=": ">=", "=>": ">=", "≥": ">=", "≧": ">=",
}  # fmt: skip
NUMBER: Final = re.compile(r"(<=|=<|>=|=>|[<>≤≥≦≧])?\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)")


@dataclass(frozen=True, slots=True)
class ReadValue:
    """A value as sent, and as a number where it is one."""

    text: str
    number: Decimal | None = None
    comparator: Comparator = ""


def read_value(text: str) -> ReadValue:
    """`5.6`, `<5.0`, `≥ 60`, `HL7 SN "<^5.0"`; anything else (`阴性`, `1:160`, `2-3/HP`) stays text, exactly."""
    plain = unicodedata.normalize("NFKC", text).strip().replace("^", "")
    plain = re.sub(r"(?<=[0-9]),(?=[0-9]{3}\b)", "", plain)
    match = NUMBER.fullmatch(plain)
    if not match:
        return ReadValue(text)
    try:
        number = Decimal(match.group(2))
    except InvalidOperation:
        return ReadValue(text)
    if number.adjusted() > 14 or int(number.as_tuple().exponent) < -10:  # an order number, not a measurement
        return ReadValue(text)
    return ReadValue(text, number, COMPARATORS.get(match.group(1) or "", ""))


UNITS: Final[dict[str, str]] = {
    "mmhg": "mm[Hg]", "mm[hg]": "mm[Hg]", "毫米汞柱": "mm[Hg]", "kpa": "kPa",
    "次/分": "/min", "次/分钟": "/min", "bpm": "/min", "/min": "/min", "beats/min": "/min", "次/min": "/min",
    "℃": "Cel", "°c": "Cel", "cel": "Cel", "c": "Cel", "摄氏度": "Cel",
    "%": "%", "kg": "kg", "公斤": "kg", "斤": "[cn_jin]", "g": "g", "cm": "cm", "厘米": "cm", "m": "m", "mm": "mm",
    "kg/m2": "kg/m2", "kg/m^2": "kg/m2", "kg/m²": "kg/m2",
    "mmol/l": "mmol/L", "umol/l": "umol/L", "µmol/l": "umol/L", "μmol/l": "umol/L", "nmol/l": "nmol/L",
    "pmol/l": "pmol/L", "mg/dl": "mg/dL", "g/dl": "g/dL", "g/l": "g/L", "mg/l": "mg/L", "ug/l": "ug/L",
    "μg/l": "ug/L", "µg/l": "ug/L", "ng/ml": "ng/mL", "pg/ml": "pg/mL", "ug/ml": "ug/mL", "μg/ml": "ug/mL",
    "ng/l": "ng/L", "iu/l": "[IU]/L", "u/l": "U/L", "iu/ml": "[IU]/mL", "miu/l": "m[IU]/L", "uiu/ml": "u[IU]/mL",
    "μiu/ml": "u[IU]/mL", "miu/ml": "m[IU]/mL", "u/ml": "U/mL", "ku/l": "kU/L", "meq/l": "meq/L",
    "10^9/l": "10*9/L", "10*9/l": "10*9/L", "x10^9/l": "10*9/L", "×10^9/l": "10*9/L", "10e9/l": "10*9/L",
    "10^12/l": "10*12/L", "10*12/l": "10*12/L", "x10^12/l": "10*12/L", "×10^12/l": "10*12/L", "10e12/l": "10*12/L",
    "fl": "fL", "pg": "pg", "s": "s", "秒": "s", "sec": "s", "min": "min", "分钟": "min", "h": "h", "mm/h": "mm/h",
    "mm/hr": "mm/h", "ml": "mL", "毫升": "mL", "l": "L", "l/min": "L/min", "ml/min": "mL/min",
    "ml/min/1.73m2": "mL/min/{1.73_m2}", "ml/min/1.73m^2": "mL/min/{1.73_m2}", "mg/24h": "mg/(24.h)",
    "mg/g": "mg/g", "mg/mmol": "mg/mmol", "μmol": "umol", "mosm/kg": "mosm/kg", "步": "{steps}", "分": "{score}",
}  # fmt: skip


def ucum_unit(told: str) -> str:
    """The UCUM code of a unit as sent; empty when we do not know it (the sent text stays beside it)."""
    return UNITS.get(unicodedata.normalize("NFC", re.sub(r"\s", "", told)).lower(), "")


FLAGS: Final[dict[str, str]] = {
    "H": "H", "↑": "H", "高": "H", "偏高": "H", "HH": "HH", "↑↑": "HH", "H*": "HH", "危急高": "HH",
    "L": "L", "↓": "L", "低": "L", "偏低": "L", "LL": "LL", "↓↓": "LL", "L*": "LL", "危急低": "LL",
    "A": "A", "异常": "A", "阳性": "A", "*": "A", "AA": "AA", "危急": "AA", "N": "N", "正常": "N", "<": "L", ">": "H",
}  # fmt: skip


def interpretation(flag: str) -> str:
    """OBX-8 as one of H HH L LL A AA N, empty when nothing is said or we do not know it."""
    return FLAGS.get(re.sub(r"\s", "", unicodedata.normalize("NFKC", flag)).upper(), "")


Concept = Literal[
    "", "systolic", "diastolic", "heart-rate", "weight", "height", "temperature", "spo2", "glucose", "hba1c",
    "ldl-c", "ejection-fraction", "nt-probnp", "creatinine", "egfr", "haemoglobin", "inr",
    "respiratory-rate", "albumin-creatinine",
]  # fmt: skip

LOINC_CONCEPTS: Final[dict[str, Concept]] = {
    "8480-6": "systolic", "8462-4": "diastolic", "8867-4": "heart-rate", "29463-7": "weight", "3141-9": "weight",
    "8302-2": "height", "8310-5": "temperature", "59408-5": "spo2", "2708-6": "spo2",
    "14749-6": "glucose", "15074-8": "glucose", "2339-0": "glucose", "2345-7": "glucose", "1558-6": "glucose",
    "4548-4": "hba1c", "17856-6": "hba1c", "13457-7": "ldl-c", "18262-6": "ldl-c", "22748-8": "ldl-c",
    "2089-1": "ldl-c",
    "10230-1": "ejection-fraction", "8806-2": "ejection-fraction", "33762-6": "nt-probnp", "14682-9": "creatinine",
    "2160-0": "creatinine", "33914-3": "egfr", "62238-1": "egfr", "718-7": "haemoglobin", "6301-6": "inr",
    "9279-1": "respiratory-rate", "9318-7": "albumin-creatinine", "14959-1": "albumin-creatinine",
    "30000-4": "albumin-creatinine", "32294-1": "albumin-creatinine",
}  # fmt: skip
CONCEPT_NAMES: Final[tuple[tuple[str, Concept], ...]] = (
    (r"^(收缩压|高压|sbp|systolic( blood pressure)?|bp sys.*)$", "systolic"),
    (r"^(舒张压|低压|dbp|diastolic( blood pressure)?|bp dia.*)$", "diastolic"),
    (r"^(心率|脉搏|脉率|hr|pulse|heart rate)$", "heart-rate"),
    (r"^(体重|weight|body weight)$", "weight"),
    (r"^(身高|height|body height)$", "height"),
    (r"^(体温|temperature|body temperature)$", "temperature"),
    (r"^(呼吸|呼吸频率|rr|resp|respiratory rate)$", "respiratory-rate"),
    (
        r"^((尿)?(微量)?白蛋白[/与]?(尿)?肌酐(比|比值)?|u?acr|albumin/creatinine( ratio)?)$",
        "albumin-creatinine",
    ),
    (r"^(血氧|血氧饱和度|spo2)$", "spo2"),
    (r"^(空腹血糖|血糖|葡萄糖|glu|glucose|fbg|fpg)$", "glucose"),
    (r"^(糖化血红蛋白|hba1c|糖化血红蛋白a1c)$", "hba1c"),
    (r"^(低密度脂蛋白(胆固醇)?|ldl-?c?)$", "ldl-c"),
    (r"^(左室射血分数|射血分数|lvef|ef)$", "ejection-fraction"),
    (r"^(nt-?probnp|n末端脑钠肽前体)$", "nt-probnp"),
    (r"^(肌酐|crea?|creatinine)$", "creatinine"),
    (r"^(egfr|估算肾小球滤过率)$", "egfr"),
    (r"^(血红蛋白|hgb|hb|hemoglobin)$", "haemoglobin"),
    (r"^(inr|国际标准化比值)$", "inr"),
)
WORD_CONCEPTS: Final = tuple((re.compile(pattern, re.IGNORECASE), concept) for pattern, concept in CONCEPT_NAMES)


def concept_of(*, system: str, code: str, text: str) -> Concept:
    """Which of our few known measurements a result is; empty for all others. LOINC decides first, then the name."""
    if code in LOINC_CONCEPTS and (system in ("", "http://loinc.org", "LN", "LOINC") or "-" in code):
        return LOINC_CONCEPTS[code]
    name = unicodedata.normalize("NFKC", text or code).strip()
    return next((concept for pattern, concept in WORD_CONCEPTS if pattern.fullmatch(name)), "")
