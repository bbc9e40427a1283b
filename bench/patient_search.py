"""How fast is the patient search at a million patients?

    python -m bench.patient_search [PATIENTS] [DEPARTMENTS] [--keep]

Fills a database of its own (`careloop_bench_search`, dropped at the end) by COPY with invented patients, each with a
record number, an identity number, two phones, one stay, one diagnosis and one department, then times every kind of
query as the top bar sends it, for somebody who sees the whole hospital and for a nurse of one department.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bench import ending
from bench.place import Place, place, tables

DATABASE = "careloop_bench_search"

SURNAMES = "王李张刘陈杨黄赵周吴徐孙朱马胡郭林何高梁郑罗宋谢唐韩曹许邓萧冯曾程蔡彭潘袁于董余苏叶吕魏蒋田杜丁沈姜范江傅钟卢汪戴崔任陆廖姚方金邱夏谭韦贾邹石熊孟秦阎薛侯雷白龙段郝孔邵史毛常万顾赖武康贺严尹钱施牛洪龚"
GIVEN = "伟芳娜敏静秀英丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉红文建国志海春梅金荣德林永生云飞龙凤雪莲香珍宝成东南西北山川河江天宇晨阳光辉福禄寿喜安康宁和顺利祥瑞佳怡欣悦思远浩然博文雅诗琪子涵梓轩俊熙"


def main() -> int:
    options = argparse.ArgumentParser(description="Times the patient search among a million patients.")
    options.add_argument("patients", type=float, nargs="?", default=1e6)
    options.add_argument("departments", type=int, nargs="?", default=40)
    options.add_argument("--keep", action="store_true", help="keep the filled database for the next run")
    chosen = options.parse_args()
    ending.in_order()
    with place(DATABASE, keep=chosen.keep, durable=False) as here:
        tables()
        import django

        django.setup()
        from django.db import connections

        _ask(_filled(here, int(chosen.patients), chosen.departments), int(chosen.patients))
        connections.close_all()
    return 0


def _filled(here: Place, patients: int, departments: int) -> list[UUID]:
    """The departments of a kept database, or of one filled now."""
    from careloop.accounts.models import Organization

    kept = Organization.objects.filter(kind="department").order_by("id").values_list("id", flat=True)
    if kept:
        return list(kept)
    begun = time.perf_counter()
    places = _fill(here.superuser, patients, departments)
    print(
        f"{patients:,} patients, {departments} departments, filled in {time.perf_counter() - begun:.0f} s", flush=True
    )
    return places


def _fill(url: str, patients: int, departments: int) -> list[UUID]:
    """COPY everything, in the columns that matter; the others get their empty defaults."""
    import psycopg
    from pypinyin import lazy_pinyin

    from careloop.kernel.models import uuid7

    read = {c: lazy_pinyin(c)[0] for c in set(SURNAMES + GIVEN)}
    dice = random.Random(7)
    now = datetime(2026, 11, 20, tzinfo=UTC)
    places = [uuid7() for __ in range(departments)]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        root = uuid7()
        rows = [(root, "H", "hospital", None, "/H/")]
        rows += [(pk, f"D{n}", "department", root, f"/H/D{n}/") for n, pk in enumerate(places)]
        cursor.executemany(
            "INSERT INTO accounts_organization (id, created_at, updated_at, code, name, name_en, kind, parent_id, path, phone,"
            " is_active) VALUES (%s, now(), now(), %s, '', '', %s, %s, %s, '', true)",
            rows,
        )
        ids = [uuid7() for __ in range(patients)]
        names = ["".join([dice.choice(SURNAMES), *dice.choices(GIVEN, k=dice.choice((1, 2, 2)))]) for __ in ids]
        with cursor.copy(_copy("patient", PATIENT)) as copy:
            for pk, name in zip(ids, names, strict=True):
                parts = [read[c] for c in name]
                copy.write_row((pk, now, now, name, " ".join(parts), "".join(p[0] for p in parts), *PATIENT_REST))
        with cursor.copy(_copy("patientidentifier", IDENTIFIER)) as copy:
            for n, pk in enumerate(ids):
                identity = f"{dice.randrange(110101, 659001)}{dice.randrange(1940, 2015)}{dice.randrange(101, 1228):04d}{n % 10000:04d}"
                copy.write_row((uuid7(), now, now, pk, "HIS", "MR", f"20{n:08d}", "", False, "", ""))
                copy.write_row((uuid7(), now, now, pk, f"CN{n}", "NI", identity, identity[-4:], False, "", ""))
        with cursor.copy(_copy("contactpoint", CONTACT)) as copy:
            for pk in ids:
                for rank in (1, 2):
                    number = f"1{dice.randrange(3_000_000_000, 10_000_000_000)}"
                    copy.write_row(
                        (uuid7(), now, now, pk, "phone", f"+86{number}", number, number[-4:], rank, *CONTACT_REST)
                    )
        with cursor.copy(_copy("encounter", STAY)) as stays:
            for n, pk in enumerate(ids):
                left = now - timedelta(minutes=n)
                place = places[n * 7919 % departments]
                stays.write_row(
                    (uuid7(), now, now, pk, "HIS", f"V{n:08d}", place, left - timedelta(days=6), left, *STAY_REST)
                )
        with cursor.copy(_copy("carerelationship", CARE)) as copy:
            for n, pk in enumerate(ids):
                copy.write_row((uuid7(), now, now, pk, places[n * 7919 % departments], now))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return places


PATIENT = (
    "id, created_at, updated_at, name, name_pinyin, name_initials, sex, deceased, address, employer, ethnicity, language,"
    " marital_status, insurance, occupation, address_code, sensitivity, risk, risk_reason, do_not_contact, active, data_conflicts"
)
PATIENT_REST = ("male", False, "", "", "", "", "", "", "", "", "normal", "none", "", False, True, "[]")
IDENTIFIER = "id, created_at, updated_at, patient_id, system, type, value, last4, is_suspect, suspect_reason, source"
CONTACT = (
    "id, created_at, updated_at, patient_id, system, value, raw, last4, rank, is_mobile, is_valid, invalid_reason, use,"
    " source, owner_note, verified_how, last_result, failures, active"
)
CONTACT_REST = (True, True, "", "mobile", "", "", "", "", 0, True)
STAY = (
    "id, created_at, updated_at, patient_id, system, visit_number, department_id, admitted_at, discharged_at, class_code,"
    " status, department_text, admission_number, room, bed, reason, disposition, discharged_to, discharge_cycle, source"
)
STAY_REST = ("IMP", "finished", "", "", "", "", "", "home", "", 1, "")
CARE = "id, created_at, updated_at, patient_id, department_id, since"


def _copy(table: str, columns: str) -> str:
    return f"COPY patients_{table} ({columns}) FROM STDIN"


def _ask(places: list[UUID], patients: int) -> None:
    from careloop.kernel.viewer import Viewer
    from careloop.patients import reads

    dice = random.Random(11)
    nurse = {"practitioner_id": places[0], "permissions": frozenset({"patients.view"})}
    viewers = {
        "hospital": Viewer(actor="staff:bench", hospital_wide=True, may_see_sensitive=True, **nurse),
        "department": Viewer(actor="staff:bench", departments=frozenset({places[0]}), **nurse),
    }
    letters = "zlwcyhgsxjmdqtfbkprnael"

    def name(k: int) -> str:
        return "".join([dice.choice(SURNAMES), *dice.choices(GIVEN, k=k)])

    kinds = {
        "initials, 1 letter": lambda: dice.choice(letters),
        "initials, 3 letters": lambda: "".join(dice.choices(letters, k=3)),
        "surname": lambda: dice.choice(SURNAMES),
        "surname + 1": lambda: name(1),
        "whole name": lambda: name(2),
        "given name": lambda: name(2)[1:],
        "pinyin": lambda: dice.choice(("zhouguo", "wangxiu", "lijian", "chenyu", "zhangde")),
        "last four digits": lambda: f"{dice.randrange(10000):04d}",
        "admission number": lambda: f"20{dice.randrange(patients):08d}",
        "beginning of it": lambda: f"20{dice.randrange(patients):08d}"[:7],
        "visit number": lambda: f"V{dice.randrange(patients):08d}",
        "initials + digits": lambda: f"{dice.choice(letters)} {dice.randrange(10000):04d}",
        "nobody": lambda: "龘龘",
    }
    for whose, viewer in viewers.items():
        print(f"\n{whose:<12} {'query':<22}{'p50 ms':>9}{'p95 ms':>9}{'hits':>6}")
        for label, make in kinds.items():
            times, hits = [], 0
            reads.search_patients(make(), viewer=viewer)
            for __ in range(100):
                query, begun = make(), time.perf_counter()
                hits += len(reads.search_patients(query, viewer=viewer))
                times.append((time.perf_counter() - begun) * 1000)
            times.sort()
            print(f"{'':<12} {label:<22}{statistics.median(times):>9.1f}{times[94]:>9.1f}{hits / 100:>6.1f}")


if __name__ == "__main__":
    sys.exit(main())
