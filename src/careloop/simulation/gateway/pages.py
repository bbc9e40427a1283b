"""The inbox: the patients' phones as a page. Everything shown was written by others, so everything is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from urllib.parse import quote

from careloop.messaging.rules.timing import BEIJING
from careloop.simulation.gateway.phones import Message, Phones

_LINK = re.compile(r"https?://[^\s<>\"'，。；）]+")
STATUS = {"sent": "发送中", "delivered": "已送达", "failed": "未送达"}


def asset(name: str) -> str:
    """A file beside this one."""
    return files("careloop.simulation.gateway").joinpath(name).read_text("utf-8")


def inbox(phones: Phones, number: str) -> str:
    """All phones on the left, one phone on the right."""
    numbers = sorted(phones.by_phone, key=lambda n: phones.by_phone[n][-1].at, reverse=True)
    chosen = number if number in phones.by_phone else (numbers[0] if numbers else "")
    return _PAGE.format(
        list="".join(_entry(n, phones.by_phone[n][-1], n == chosen) for n in numbers[:300]) or _EMPTY_LIST,
        phone=_phone(chosen, phones.by_phone[chosen]) if chosen else _EMPTY_PHONE,
        count=len(numbers),
        total=len(phones.messages),
        chosen=escape(chosen),
    )


def bubbles(messages: Sequence[Message]) -> str:
    """One conversation."""
    return "".join(_bubble(m) for m in messages[-200:])


def _entry(number: str, last: Message, chosen: bool) -> str:
    return (
        f'<li><a href="/?n={quote(number)}"{" aria-current=true" if chosen else ""}><b>{escape(_spaced(number))}</b>'
        f"<time>{_time(last.at)}</time><span>{escape(last.text[:60])}</span></a></li>"
    )


def _bubble(message: Message) -> str:
    side = "mine" if message.incoming else "theirs"
    state = "" if message.incoming else f" · {STATUS.get(message.status, message.status)}"
    twice = f' <em class="twice">收到 {message.copies} 次</em>' if message.copies > 1 else ""
    return (
        f'<li class="{side}" data-key="{escape(message.key)}" data-status="{escape(message.status)}">'
        f"<p>{_linked(message.text)}</p><small>{_time(message.at)}{state}{twice}</small></li>"
    )


def _linked(text: str) -> str:
    out, end = [], 0
    for match in _LINK.finditer(text):
        address = escape(match.group(0))
        out.append(escape(text[end : match.start()]))
        out.append(f'<a href="{address}" target="_blank" rel="noopener noreferrer">{address}</a>')
        end = match.end()
    return "".join(out) + escape(text[end:])


def _phone(number: str, messages: Sequence[Message]) -> str:
    return _PHONE.format(number=escape(number), shown=escape(_spaced(number)), bubbles=bubbles(messages))


def _spaced(number: str) -> str:
    digits = number.removeprefix("+86")
    return f"{digits[:3]} {digits[3:7]} {digits[7:]}" if len(digits) == 11 else number


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, BEIJING).strftime("%m-%d %H:%M")


_EMPTY_LIST = '<li class="none">还没有短信</li>'
_EMPTY_PHONE = '<section class="phone"><p class="none">患者收到的短信会出现在这里</p></section>'
_PHONE = """<section class="phone" aria-label="手机 {shown}"><header><b>{shown}</b><span>短信</span></header>
<ol id="thread" tabindex="0" aria-label="短信">{bubbles}</ol>
<form method="post" action="/reply"><input type="hidden" name="number" value="{number}">
<input name="text" aria-label="回复内容" placeholder="回复，例如 1 或 T" maxlength="500" autocomplete="off" required>
<button>发送</button></form></section>"""
_PAGE = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>演示短信网关</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/inbox.css">
<link rel="icon" href="data:,"></head><body data-total="{total}" data-number="{chosen}"><nav><h1>演示短信网关</h1>
<p>{count} 部手机，没有一条真的发出去</p><ul>{list}</ul></nav><main>{phone}</main>
<script src="/inbox.js"></script></body></html>"""
