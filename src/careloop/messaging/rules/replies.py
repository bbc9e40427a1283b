"""What a patient means by a short answer to a message."""

from __future__ import annotations

import unicodedata

STOP = "stop"
START = "start"
CALL_ME = "call-me"
TEXT = "text"

_WORDS = {
    STOP: {"t", "td", "n", "退订", "退", "取消", "拒收", "不要再发", "不要再发了", "stop", "unsubscribe"},
    START: {"y", "恢复", "恢复接收", "start"},
    CALL_ME: {"1", "打电话", "回电", "请回电", "给我打电话", "call", "callme"},
}
_EDGES = " \t\r\n。.,，!！?？、:：;；\"'“”‘’()（）【】[]"


def intent_of(text: str) -> str:
    """`stop`, `start`, `call-me`, or `text` for everything that a person has to read.

    Full-width letters and digits count as half-width. Only the whole message counts: "1 粒还是 2 粒" is a question.
    """
    plain = unicodedata.normalize("NFKC", text).strip(_EDGES).casefold()
    squeezed = "".join(plain.split())
    for intent, words in _WORDS.items():
        if squeezed in words:
            return intent
    return TEXT
