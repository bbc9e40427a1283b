"""The traps of interop.md in small messages, as Chinese hospitals write them."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.integration.hl7v2.charsets import decode
from careloop.integration.hl7v2.facts import Facts, Place, Site, Unusable
from careloop.integration.hl7v2.intake import take_in
from careloop.integration.hl7v2.mapping import order_keys, read_message
from careloop.integration.hl7v2.message import Message
from careloop.integration.hl7v2.values import read_date, read_time
from careloop.integration.hl7v2.visit import diagnosis_system
from careloop.patients.rules import DELETE, AllergyData, ContactData, IdentifierData

CHINA = timezone(timedelta(hours=8))
SITE = Site(zone=CHINA)


def head(event: str) -> str:
    return f"MSH|^~\\&|HIS|YX|CL|YX|20261120103000||{event}|M1|P|2.4\r"


def facts(event: str, *segments: str) -> Facts:
    found = read_message(Message(head(event) + "\r".join(segments)), site=SITE)
    assert isinstance(found, Facts), found
    return found


def person(pid: str, *more: str) -> Any:
    return facts("ADT^A28", pid, *more).person


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("20261120103005", datetime(2026, 11, 20, 10, 30, 5, tzinfo=CHINA)),
            ("202611201030", datetime(2026, 11, 20, 10, 30, tzinfo=CHINA)),
            ("20261120", datetime(2026, 11, 20, tzinfo=CHINA)),
            ("2026", datetime(2026, 1, 1, tzinfo=CHINA)),
            ("20261120103005.1234+0000", datetime(2026, 11, 20, 10, 30, 5, 123400, tzinfo=UTC)),
            ("202611201030-0530", datetime(2026, 11, 20, 10, 30, tzinfo=timezone(-timedelta(hours=5, minutes=30)))),
            ("2026-11-20 10:30:05", datetime(2026, 11, 20, 10, 30, 5, tzinfo=CHINA)),
            ("2026/1/5", datetime(2026, 1, 5, tzinfo=CHINA)),
            ("2026年1月5日", datetime(2026, 1, 5, tzinfo=CHINA)),
            ("20261120103060", datetime(2026, 11, 20, 10, 30, 59, tzinfo=CHINA)),  # a leap second
            ("20261320", None), ("20260230", None), ("99999999", None), ("00000000", None), ("", None),
            ("昨天", None), ("2026112010300", None),
        ],
    )  # fmt: skip
    def test_read(self, text: str, expected: datetime | None) -> None:
        assert read_time(text, zone=CHINA) == expected

    def test_a_birth_date_stays_the_day_as_written(self) -> None:
        assert read_date("198808181126+0215") == date(1988, 8, 18)
        assert read_date("19880818000000") == date(1988, 8, 18)
        assert read_date("1988") is None

    @given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)))
    def test_what_we_write_we_read(self, at: datetime) -> None:
        at = at.replace(microsecond=0, tzinfo=CHINA)
        assert read_time(at.strftime("%Y%m%d%H%M%S"), zone=CHINA) == at

    @given(st.text(max_size=30))
    def test_anything(self, text: str) -> None:
        read_time(text, zone=CHINA)
        read_date(text)


class TestPerson:
    @pytest.mark.parametrize(
        ("sent", "name", "pinyin"),
        [
            ("王韡", "王韡", None),
            ("欧阳^娜娜", "欧阳娜娜", None),
            ("张^伟^^^^^L^I~ZHANG^WEI^^^^^L^A", "张伟", "WEI ZHANG"),
            ("ZHANG^WEI~张伟", "张伟", "WEI ZHANG"),
            ("买买提·艾力", "买买提·艾力", None),
            ("DUCK^DONALD^D", "DONALD D DUCK", None),
            ("阿宝^^^^^^N~李宝^^^^^^L", "李宝", None),
            ("𬱖^𫖯", "𬱖𫖯", None),
        ],
    )
    def test_names(self, sent: str, name: str, pinyin: str | None) -> None:
        found = person(f"PID|1||10^^^HIS^MR||{sent}")
        assert (found.name, found.name_pinyin) == (name, pinyin)

    def test_identifiers(self) -> None:
        found = person(
            "PID|1|old|10^^^HIS&2.16&ISO^MRN~11010519491231002X^^^公安部^身份证~S9^^^^社保~~P1^^^^护照号码是这个|alt"
        )
        assert found.identifiers == (
            IdentifierData(value="10", type="MR", authority="HIS"),
            IdentifierData(value="11010519491231002X", type="NNCHN", authority="公安部"),
            IdentifierData(value="S9", type="SS", authority="YX"),
            IdentifierData(value="P1", type="PI", authority="YX"),
        )

    def test_old_feeds(self) -> None:
        assert [i.value for i in person("PID|1|20|||张三").identifiers] == ["20"]
        assert [i.value for i in person("PID|1|||30|张三").identifiers] == ["30"]
        with_card = person("PID|1||10||张三||||||||||||||11010519491231002X").identifiers
        assert with_card[1] == IdentifierData(value="11010519491231002X", type="NNCHN", authority="YX")

    def test_same_number_twice_is_one(self) -> None:
        assert len(person("PID|1||10^^^HIS^MR~10^^^HIS^MR").identifiers) == 1

    def test_absent_deleted_and_given(self) -> None:
        found = person('PID|1||10||张三||""|||||||||||""')
        assert (found.birth_date, found.sex, found.address, found.phones) == (DELETE, None, None, None)
        cleared = person('PID|1||10||""||||||""||""')
        assert (cleared.name, cleared.address, cleared.phones) == (DELETE, DELETE, ())

    def test_phones_and_relatives(self) -> None:
        found = person(
            "PID|1||10||张三||||||云溪市和平路 1 号||13800000001^PRN^CP~010-88880000|0571-1234567",
            "NK1|1|李四|女儿||13900000002",
            "NK1|2|^^|",
            "NK1|3|王五|1^配偶^GB4761|||010-1",
        )
        assert found.phones == (
            ContactData(value="13800000001", use="mobile"), ContactData(value="010-88880000", use="home"),
            ContactData(value="0571-1234567", use="work"),
        )  # fmt: skip
        assert [(r.name, r.relation) for r in found.related] == [("李四", "女儿"), ("王五", "1")]
        assert found.address == "云溪市和平路 1 号"

    def test_newer_phone_parts_and_an_address_in_pieces(self) -> None:
        found = person("PID|1||10||张三||||||^^云溪市^浙江省^310000^CHN^H||^PRN^CP^a@b.cn^86^^13800000001")
        assert found.phones == (ContactData(value="8613800000001", use="mobile"),)
        assert found.address == "云溪市浙江省310000"

    @pytest.mark.parametrize(
        ("pid29", "pid30", "dead"),
        [
            ("", "Y", True),
            ("20261119", "", True),
            ("", "N", False),
            ("", "", None),
            ("20261119", "N", False),
            ("", "是", True),
        ],
    )
    def test_death(self, pid29: str, pid30: str, dead: bool | None) -> None:
        fields = ["PID", "1", "", "10", "", "张三", *[""] * 23, pid29, pid30]
        assert person("|".join(fields)).is_deceased is dead

    def test_allergies(self) -> None:
        told = facts(
            "ADT^A28", "PID|1||10||张三", "AL1|1|DA|^青霉素|SV|皮疹|20200101", "AL1|2|FA|F1^海鲜^LOC|MO"
        ).allergies
        assert told == (
            AllergyData(text="青霉素", kind="drug", severity="severe", reaction="皮疹", recorded_on=date(2020, 1, 1)),
            AllergyData(code="F1", text="海鲜", system="LOC", kind="food", severity="moderate"),
        )


class TestVisit:
    PID = "PID|1||10^^^HIS^MR||张三"

    def test_key_of_a_visit(self) -> None:
        number = facts("ADT^A01", self.PID, "PV1|1|I|W1|||||||CARD|||||||||V7^^^YX").visit
        assert number is not None
        assert (number.authority, number.number) == ("YX", "V7")
        account = facts("ADT^A01", "PID|1||10||张三|||||||||||||ZY88", "PV1|1|I").visit
        assert account is not None
        assert (account.authority, account.number) == ("YX", "ZY88")
        made = facts("ADT^A01", self.PID, "PV1" + "|" * 44 + "20261112090000").visit
        assert made is not None
        assert made.number == "10@20261112090000"
        assert read_message(Message(head("ADT^A01") + self.PID + "\rPV1|1|I"), site=SITE) == Unusable("no-visit-number")
        assert facts("ADT^A08", self.PID, "PV1|1|I").visit is None  # an update of the person is still good

    @pytest.mark.parametrize(
        ("code", "ours"),
        [
            ("1", "home"),
            ("5", "died"),
            ("20", "died"),
            ("07", "against-advice"),
            ("死亡", "died"),
            ("Z9", "other"),
            ("", None),
        ],
    )
    def test_dispositions(self, code: str, ours: str | None) -> None:
        fields = [""] * 46
        fields[2], fields[19], fields[36] = "I", "V1", code
        found = facts("ADT^A03", self.PID, "PV1" + "|".join(fields))
        assert found.visit is not None
        assert found.visit.disposition == ours
        assert found.person is not None
        assert found.person.is_deceased is (True if ours == "died" else None)

    @pytest.mark.parametrize(
        ("sent", "ours"), [("I", "IMP"), ("O", "AMB"), ("急诊", "EMER"), ("d", "DAY"), ("U", None)]
    )
    def test_classes(self, sent: str, ours: str | None) -> None:
        visit = facts("ADT^A01", self.PID, f"PV1|1|{sent}|||||||||||||||||V1").visit
        assert visit is not None
        assert visit.encounter_class == ours

    def test_place(self) -> None:
        found = facts(
            "ADT^A02", self.PID, "PV1|1|I|W12^301^05^云溪医院^^^^^心内一病区||||D7^赵明|||0203^心内科|||||||||V1"
        )
        assert found.place == Place(unit="W12", facility="云溪医院", service="0203", text="心内一病区")
        assert found.place.codes == ("0203", "W12")
        assert found.visit is not None
        assert (found.visit.room, found.visit.bed) == ("301", "05")
        assert found.attending is not None
        assert (found.attending.number, found.attending.name) == ("D7", "赵明")

    def test_diagnoses_replace_delete_and_silence(self) -> None:
        visit = "PV1|1|I|||||||||||||||||V1"
        found = facts(
            "ADT^A08",
            self.PID,
            visit,
            "DG1|1|ICD-10|I21.001^急性心梗|||F|||||||||1",
            "DG1|2||I10.x00x002^高血压^国临||20261120|F",
            "DG1|3||X^删除的^ICD-10|||F" + "|" * 15 + "D",
        )
        assert found.diagnoses is not None
        assert [(d.code, d.text, d.system, d.kind, d.rank) for d in found.diagnoses] == [
            ("I21.001", "急性心梗", "ICD-10", "discharge", 1), ("I10.x00x002", "高血压", "ICD-10", "discharge", 2),
        ]  # fmt: skip
        assert facts("ADT^A08", self.PID, visit).diagnoses is None

    @pytest.mark.parametrize(
        ("code", "sent", "system"),
        [("I21.0", "I10C", "ICD-10"), ("I21.0", "", "ICD-10"), ("A01.000x005+J17.0*", "", "ICD-10"), ("71596", "I9", "ICD-9-CM"),
         ("422504002", "SCT", "SCT"), ("123", "", "local"), ("M8140/3", "", "ICD-10")],
    )  # fmt: skip
    def test_code_systems(self, code: str, sent: str, system: str) -> None:
        assert diagnosis_system(code, sent) == system

    def test_an_update_says_updated_whatever_evn_says(self) -> None:
        found = facts("ADT^A08", "EVN|A03|20261120", self.PID, "PV1|1|I|||||||||||||||||V1")
        assert found.visit is not None
        assert found.visit.event == "updated"


class TestResults:
    PID = "PID|1||10^^^HIS^MR"

    def test_text_over_several_lines_is_one_result(self) -> None:
        found = facts(
            "ORU^R01",
            self.PID,
            "OBR|1||R1|CT^胸部CT|||20261119",
            "OBX|1|TX|CT1^所见||第一行~第二行||||||F",
            "OBX|2|TX|CT1^所见||第三行||||||F",
        )
        assert [(o.code, o.value) for o in found.observations] == [("CT1", "第一行\n第二行\n第三行")]

    def test_repeated_code_of_numbers_is_several(self) -> None:
        found = facts(
            "ORU^R01",
            self.PID,
            "OBR|1||R1|G^血糖",
            "OBX|1|NM|GLU|1|5.1||||||F",
            "OBX|2|NM|GLU|2|7.9||||||F",
            "OBX|3|NM|GLU|2|8.0||||||F",
        )
        assert [(o.key, o.value) for o in found.observations] == [
            ("R1|GLU|1", "5.1"),
            ("R1|GLU|2", "7.9"),
            ("R1|GLU|2#2", "8.0"),
        ]

    def test_a_correction_has_the_key_of_what_it_corrects(self) -> None:
        first = facts("ORU^R01", self.PID, "OBR|1||R1|G", "OBX|1|NM|GLU||5.1||||||F").observations[0]
        second = facts("ORU^R01", self.PID, "OBR|1||R1|G", "OBX|1|NM|GLU||5.3||||||C").observations[0]
        assert first.key == second.key
        assert (second.status, second.value) == ("C", "5.3")

    @pytest.mark.parametrize(
        ("kind", "sent", "value"),
        [
            ("NM", "<5.0", "<5.0"),
            ("SN", ">^100", ">100"),
            ("SN", "^1^:^160", "1:160"),
            ("CE", "N^阴性^L", "阴性"),
            ("ST", "1\\T\\2", "1&2"),
        ],
    )
    def test_values(self, kind: str, sent: str, value: str) -> None:
        found = facts("ORU^R01", self.PID, "OBR|1||R1|G", f"OBX|1|{kind}|X||{sent}||||||F")
        assert found.observations[0].value == value

    def test_a_report_as_pdf(self) -> None:
        pdf = base64.b64encode(b"%PDF-1.7 " + bytes(range(256))).decode()
        found = facts(
            "ORU^R01",
            self.PID,
            "OBR|1||R1|CT^胸部CT|||20261119",
            f"OBX|1|ED|PDF^报告||^application^PDF^Base64^{pdf}||||||F",
            "OBX|2|ED|BAD^坏||^application^PDF^Base64^@@@||||||F",
        )
        assert found.observations == ()
        (document,) = found.documents
        assert (document.content_type, document.content[:8], document.number) == (
            "application/pdf",
            b"%PDF-1.7",
            "R1|PDF",
        )

    def test_notes_and_waiting_values(self) -> None:
        found = facts(
            "ORU^R01",
            self.PID,
            "OBR|1||R1|G",
            "NTE|1||给整张报告",
            "OBX|1|NM|A||1||||||F",
            "NTE|1||一",
            "NTE|2||二",
            "OBX|2|NM|B||||||||I",
        )
        assert [(o.code, o.note) for o in found.observations] == [("A", "一\n二")]


class TestOthers:
    PID = "PID|1||10^^^HIS^MR||张三"

    def test_discharge_medicines(self) -> None:
        found = facts(
            "RDE^O11",
            self.PID,
            "ORC|NW|O1||||||||||||||^出院带药",
            "RXE|^bid^^20261120|YP1^阿司匹林肠溶片^LOC|100||mg^毫克||饭后|||30|片",
            "RXR|PO^口服",
            "RXE|^qn|YP2^阿托伐他汀^LOC|20||mg",
        )
        assert [(m.text, m.dose, m.dose_unit, m.frequency, m.route, m.quantity, m.is_discharge) for m in found.medications] == [
            ("阿司匹林肠溶片", "100", "毫克", "bid", "口服", "30", True), ("阿托伐他汀", "20", "mg", "qn", "", "", True),
        ]  # fmt: skip

    def test_appointment_times_of_old_and_new_versions(self) -> None:
        old = facts("SIU^S12", "SCH|P1|F1|||||^复诊||30|MIN|^^30^20261127090000", self.PID).appointment
        new = facts("SIU^S12", "SCH|P1|F1", "TQ1|1||||||20261127090000|20261127093000", self.PID).appointment
        bare = facts("SIU^S12", "SCH|P1", "AIL|1||W1^^^|||20261127090000|||30|min", self.PID).appointment
        assert old is not None
        assert new is not None
        assert bare is not None
        start, end = datetime(2026, 11, 27, 9, tzinfo=CHINA), datetime(2026, 11, 27, 9, 30, tzinfo=CHINA)
        assert {(a.starts_at, a.ends_at) for a in (old, new, bare)} == {(start, end)}
        assert (old.number, bare.number, old.reason) == ("F1", "P1", "复诊")

    def test_merge_without_the_old_number(self) -> None:
        assert read_message(Message(head("ADT^A40") + self.PID), site=SITE) == Unusable("no-merge-source")

    def test_delete_a_person(self) -> None:
        found = facts("ADT^A29", self.PID)
        assert found.person is not None
        assert (found.person.active, found.person.name) == (False, None)

    def test_order_keys(self) -> None:
        merge = Message(
            head("ADT^A40") + "PID|1||10^^^HIS^MR\rMRG|11^^^HIS^MR~12^^^HIS^PI\rPID|1||20^^^HIS^MR\rMRG|21^^^HIS^MR"
        )
        assert order_keys(merge, site=SITE) == ("HIS|10", "HIS|20", "HIS|11", "HIS|12", "HIS|21")
        assert order_keys(Message(head("ORU^R01") + "PID|1||X^^^C^NI~10^^^HIS^MR"), site=SITE) == ("HIS|10",)
        assert order_keys(Message(head("MFN^M02")), site=SITE) == ("master:hl7:HIS/YX",)
        assert order_keys(Message(head("ADT^A01")), site=SITE) == ()

    def test_declared_charset_is_a_hint(self) -> None:
        wrong = head("ADT^A01").replace("|2.4", "|2.4||||||8859/1") + "PID|1||10||王韡"
        assert take_in(wrong.encode(), site=SITE).flags == ("charset-differs",)
        right = head("ADT^A01").replace("|2.4", "|2.4||||||GB18030") + "PID|1||10||王韡"
        assert take_in(right.encode("gb18030"), site=SITE).flags == ()
        broken = (head("ADT^A01") + "PID|1||10||").encode() + b"\xff\xff"
        assert take_in(broken, site=SITE).flags == ("charset-guessed",)

    @given(
        st.sampled_from(["ADT^A01", "ADT^A40", "ORU^R01", "RDE^O11", "SIU^S12", "MFN^M02", "MFN^M05", "MDM^T02"]),
        st.binary(max_size=300),
    )
    def test_no_content_breaks_the_mapping(self, event: str, rest: bytes) -> None:
        raw = head(event).encode() + rest.replace(b"!", b"\rPID|1||1|").replace(b"?", b"\rOBX|1|NM|a||")
        read_message(Message(decode(raw).text), site=SITE)
        take_in(raw, site=SITE)

    @given(
        st.lists(
            st.sampled_from(
                [
                    "PID|",
                    "PV1|",
                    "MRG|",
                    "OBR|",
                    "OBX|",
                    "RXE|",
                    "TQ1|",
                    "SCH|",
                    "MFE|",
                    "STF|",
                    "1",
                    "^",
                    "~",
                    "&",
                    "|",
                    '""',
                    "\r",
                    "20261120",
                    "\\",
                    "ED",
                    "NM",
                    "Base64",
                ]
            ),
            max_size=60,
        )
    )
    def test_no_soup_of_segments_breaks_it(self, parts: list[str]) -> None:
        for event in ("ADT^A03", "ADT^A40", "ORU^R01", "RDS^O13", "SIU^S26", "MFN^M05", "MDM^T10"):
            read_message(Message(head(event) + "".join(parts)), site=SITE)
