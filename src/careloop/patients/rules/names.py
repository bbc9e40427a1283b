"""Names: how a surname is read when its character has several readings, and the initials people search by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

SURNAMES: Final[dict[str, str]] = {
    "单于": "chan yu", "尉迟": "yu chi", "万俟": "mo qi", "长孙": "zhang sun", "澹台": "tan tai", "令狐": "ling hu",
    "宰父": "zai fu", "呼延": "hu yan", "欧阳": "ou yang", "司马": "si ma", "上官": "shang guan", "诸葛": "zhu ge",
    "皇甫": "huang fu", "慕容": "mu rong", "公孙": "gong sun", "宇文": "yu wen", "夏侯": "xia hou", "东方": "dong fang",
    "单": "shan", "曾": "zeng", "仇": "qiu", "区": "ou", "解": "xie", "查": "zha", "朴": "piao", "盖": "ge",
    "任": "ren", "乐": "yue", "尉": "wei", "冼": "xian", "洗": "xian", "员": "yun", "贠": "yun", "缪": "miao",
    "召": "shao", "折": "she", "黑": "he", "秘": "bi", "种": "chong", "逄": "pang", "翟": "zhai", "樊": "fan",
    "隗": "wei", "覃": "qin", "晁": "chao", "车": "che", "重": "chong", "繁": "po", "祭": "zhai", "那": "na",
    "华": "hua", "哈": "ha", "纪": "ji", "葛": "ge", "应": "ying", "宁": "ning", "过": "guo", "令": "ling",
    "柏": "bai", "石": "shi", "殷": "yin", "郇": "xun", "牟": "mu", "宓": "mi", "卜": "bu", "臧": "zang",
    "冯": "feng", "沈": "shen", "万": "wan", "褚": "chu", "谌": "chen", "芮": "rui", "阚": "kan", "詹": "zhan",
    "訾": "zi", "佴": "nai", "句": "gou", "勾": "gou", "郗": "xi", "亓": "qi", "麦": "mai", "费": "fei",
    "长": "zhang", "行": "xing", "弹": "tan", "眭": "sui", "瞿": "qu", "於": "yu", "俞": "yu", "叶": "ye",
}  # fmt: skip
"""Surname readings that differ from the character's usual one, with the common two-character surnames."""

DOTS: Final = str.maketrans({"•": "·", "・": "·", "∙": "·", "⋅": "·", "．": "·", "‧": "·"})


def clean_name(text: str) -> str:
    """One kind of middle dot, no doubled spaces, none between Chinese characters. The name is never split."""
    name = unicodedata.normalize("NFKC", text.translate(DOTS)).translate(DOTS)
    name = re.sub(r"\s+", " ", name).strip()
    return re.sub(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])", "", name)


def syllables(name: str, romanise: Callable[[str], list[str]]) -> tuple[str, ...]:
    """The name in pinyin syllables: surname table first, `romanise` for the rest. Latin words count as syllables."""
    name = clean_name(name)
    surname = next((key for key in (name[:2], name[:1]) if key in SURNAMES), "")
    if len(surname) == 2 and len(name) == 2 and name[:1] in SURNAMES:  # 单于 alone may be Mr Shan with one given name
        surname = name[:1]
    read = SURNAMES.get(surname, "").split()
    rest = [part for part in romanise(name[len(surname) :])]
    return tuple(word for part in [*read, *rest] for word in re.findall(r"[a-z]+", _ascii(part)))


def _ascii(text: str) -> str:
    """`lü` is typed `lv` by everybody; other marks are dropped."""
    lowered = text.lower().replace("ü", "v")
    return "".join(c for c in unicodedata.normalize("NFD", lowered) if not unicodedata.combining(c))


def initials(parts: tuple[str, ...]) -> str:
    """`("zhou", "guo", "qiang")` → `zgq`."""
    return "".join(part[0] for part in parts)
