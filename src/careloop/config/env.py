"""The one settings file: every CARELOOP_* variable, typed and explained. docs/operate/settings.md lists them (a test checks)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from careloop.config.checks import CHECKS


class BadSetting(ValueError):
    """A variable's value cannot be understood; the message says which and what would be right."""


def _setting(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, kw_only=True)
class Env:
    """Values after parsing. The variable of `data_dir` is CARELOOP_DATA_DIR, and so on."""

    mode: str = _setting("demo", "production | demo | dev | test. Production refuses to start with example secrets.")
    surface: str = _setting("web", "web (staff, intranet) or portal (patients, the only public door).")
    secret_key: str = _setting(
        "",
        "Signs sessions and patient links; at least 50 random characters. Made and kept in the data directory outside production.",
    )
    database_url: str = _setting(
        "",
        "postgresql://… of a PostgreSQL ≥ 16 (?prepare=off behind an old pooler). Empty: an embedded server in the data directory.",
    )
    database_owner_url: str = _setting(
        "", "Address of the role that owns the tables, for migrate. Empty: same as database_url."
    )
    data_dir: Path = _setting(Path(".data"), "Where the embedded database and generated secrets live.")
    shared_data: Path = _setting(
        Path("../shared/data"), "Folder with code tables (ICD-10, operations, counties) for the simulator."
    )
    allowed_hosts: str = _setting(
        "localhost,127.0.0.1,[::1]", "Host names this server answers to, separated by commas."
    )
    public_url: str = _setting(
        "http://localhost:8001", "Address of the patient portal, used in messages. Never taken from a request."
    )
    staff_url: str = _setting("http://localhost:8000", "Address of the staff site.")
    behind_https: bool = _setting(False, "True behind a TLS proxy: secure cookies and HSTS.")
    trusted_proxies: int = _setting(0, "Number of proxies in front whose X-Forwarded-For entries may be believed.")
    link_check: str = _setting(
        "phone",
        "phone: a patient link asks for the last four digits of the telephone. birth-year: for the year of birth.",
    )
    time_zone: str = _setting("Asia/Shanghai", "The hospital's time zone.")
    area_code: str = _setting(
        "",
        "The hospital's telephone area code, such as 0571. Added to local numbers written without one; empty: they stay unusable.",
    )
    hospital_name: str = _setting(
        "", "Name on pages and messages. Empty: staff pages show none, patient pages the name of the root organization."
    )
    web_host: str = _setting("127.0.0.1", "Address web and portal listen on.")
    web_port: int = _setting(8000, "Port of the staff site.")
    portal_port: int = _setting(8001, "Port of the patient portal.")
    web_workers: int = _setting(1, "Server processes of each surface.")
    web_threads: int = _setting(8, "Threads per server process.")
    hl7_host: str = _setting("127.0.0.1", "Address the HL7 gateway listens on.")
    hl7_port: int = _setting(2575, "Port of the HL7 gateway (MLLP).")
    hl7_peers: str = _setting("", "Addresses allowed to send HL7, separated by commas. Empty: any that can connect.")
    hl7_charset: str = _setting("gb18030", "Character set tried after UTF-8 for messages of this site.")
    hl7_unknown_department: str = _setting(
        "dead", "dead: an unknown department code parks the message for mapping. keep: the text is kept."
    )
    hl7_facilities: str = _setting("", "Sending facilities (MSH-4) that are accepted, separated by commas. Empty: all.")
    hl7_idle_seconds: int = _setting(300, "An HL7 connection is closed after this many seconds without a message.")
    hl7_tls_certificate: str = _setting("", "Certificate chain (PEM file) of the HL7 gateway. Empty: plain MLLP.")
    hl7_tls_key: str = _setting("", "Private key (PEM file) of the HL7 gateway's certificate.")
    hl7_tls_client_ca: str = _setting(
        "", "CA (PEM file) that senders' certificates must come from. Empty: none is asked for."
    )
    sms_gateway_url: str = _setting(
        "", "Address of the SMS gateway (HTTP contract in docs/integrate). Empty: no SMS is sent."
    )
    sms_gateway_secret: str = _setting("", "Shared secret that signs delivery receipts.")
    sms_gateway_token: str = _setting("", "Bearer token that the SMS gateway asks of us. Empty: it asks for none.")
    sms_gateway_repeat: str = _setting(
        "key",
        "What the SMS gateway does about a repeat. key: it knows our key again. ask: it can be asked first. none: neither.",
    )
    sms_gateway_peers: str = _setting(
        "", "Addresses that may call /hooks/, separated by commas. Empty: any; the signature is checked always."
    )
    sms_at_once: int = _setting(32, "SMS under way at the same time in one sender process.")
    sms_per_second: int = _setting(0, "Most SMS in a second from one sender process. 0: as many as the gateway takes.")
    sms_quiet_hours: str = _setting(
        "21:00-08:00", "Beijing time in which no SMS leaves, ranges separated by commas. Urgent ones do."
    )
    email_quiet_hours: str = _setting("", "The same for e-mail.")
    email_from: str = _setting("no-reply@localhost", "Sender address of e-mail.")
    messages_per_day: int = _setting(2, "Most messages that one patient gets in a day on one channel; more wait.")
    messages_per_week: int = _setting(5, "Most messages that one patient gets in seven days on one channel; more wait.")
    survey_interval_days: int = _setting(
        90,
        "Nobody is asked again how satisfied they were within this many days, whatever stays come. 0: after every stay.",
    )
    message_languages: str = _setting("zh", "Languages that a message template must cover, separated by commas.")
    codes_per_hour: int = _setting(500, "One-time codes of the whole hospital in an hour; then a person has to look.")
    outbox_lease_seconds: int = _setting(
        60, "How long a sender may hold a message; after that another one takes it over."
    )
    hospital_phone: str = _setting("", "Number that patients may call, as it stands in messages.")
    smtp_url: str = _setting(
        "", "smtp://user:password@host:port (smtps:// for TLS, ?starttls=1) for e-mail. Empty: no e-mail is sent."
    )
    idle_minutes: int = _setting(15, "A staff session ends after this many minutes without a click.")
    absolute_hours: int = _setting(12, "A staff session ends after this many hours in any case.")
    password_profile: str = _setting(
        "dengbao", "dengbao: ≥10 characters, 3 classes, 90 days, last 5. asvs: ≥15 characters, no rotation."
    )
    cohort_limit: int = _setting(
        20_000,
        "Most patients or tasks that one piece of work in bulk, one special topic or one exported list may have.",
    )
    dialler: str = _setting(
        "manual",
        "manual: the nurse dials on a desk phone. tel: the number opens in the computer's own telephone program.",
    )
    letter_envelope: str = _setting(
        "dl-window",
        "Envelope of letters: a code of docs/operate/letters.md, or the path of a JSON file with its measures.",
    )
    letter_shift_mm: str = _setting(
        "0,0", "Moves letters on the paper, right and down in millimetres, when the printer prints off its place."
    )
    letter_reply_days: int = _setting(30, "A letter asks for an answer within this many days; its link works as long.")
    letter_fonts: str = _setting(
        "", "Folder with fonts for characters of names that the supplied ones lack (CJK extension B and later)."
    )
    log_level: str = _setting("INFO", "Level of the application log. Logs never hold names, numbers or answers.")


PREFIX = "CARELOOP_"


def load(variables: Mapping[str, str] = os.environ) -> Env:
    """Read the environment. Unknown CARELOOP_* names, unreadable and impossible values raise BadSetting."""
    hints = get_type_hints(Env)
    known = {f"{PREFIX}{f.name.upper()}": f.name for f in fields(Env)}
    given = {name: value for name, value in variables.items() if name.startswith(PREFIX)}
    unknown = sorted(set(given) - set(known) - PROCESS_ONLY)
    if unknown:
        raise BadSetting(f"unknown setting {', '.join(unknown)}; docs/operate/settings.md lists those that exist")
    read = {known[name]: _parse(name, value, hints[known[name]]) for name, value in given.items() if name in known}
    for field_name, value in read.items():
        if wanted := CHECKS[field_name](value) if field_name in CHECKS else "":
            raise BadSetting(f"{_shown(f'{PREFIX}{field_name.upper()}', value)} must be {wanted}")
    return Env(**read)


# Not settings of a site: read by tests, migrations and simulations before settings exist.
PROCESS_ONLY = frozenset({"CARELOOP_TEST_DB", "CARELOOP_DATABASE_ROLE", "CARELOOP_CLOCK_FILE"})


def _parse(name: str, value: str, kind: type) -> Any:
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[
                value.lower()
            ]
        return kind(value)
    except (ValueError, KeyError):
        raise BadSetting(f"{_shown(name, value)} is not {_KINDS[kind]}") from None


_KINDS = {bool: "yes or no (1, true, yes, 0, false, no)", int: "a whole number", Path: "a path", str: "text"}
# Addresses hold passwords; a message about them lands in a log.
_SECRET = frozenset({"CARELOOP_SECRET_KEY", "CARELOOP_DATABASE_URL", "CARELOOP_DATABASE_OWNER_URL", "CARELOOP_SMTP_URL",
                     "CARELOOP_SMS_GATEWAY_URL", "CARELOOP_SMS_GATEWAY_SECRET", "CARELOOP_SMS_GATEWAY_TOKEN"})  # fmt: skip


def _shown(name: str, value: Any) -> str:
    """The setting and what was given, unless that may hold a password."""
    return name if name in _SECRET else f"{name}={value!r}"
