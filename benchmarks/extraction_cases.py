"""Twenty documents and pages with the fields to extract and what is right, read off by a person.

Twelve are files of the shared documents, by name; eight are pages that the benchmark serves itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Case:
    """One document.

    Attributes:
        source: A file's name, or the path of a page.
        fields: JSON Schema properties; one that may be null may be missing in the text.
        gold: What is right.
        page: The HTML of a page that is served.
    """

    source: str
    fields: dict[str, dict[str, Any]]
    gold: dict[str, Any]
    page: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the whole."""
        return {
            "title": "facts",
            "type": "object",
            "properties": self.fields,
            "required": list(self.fields),
            "additionalProperties": False,
        }


def text(about: str) -> dict[str, Any]:
    """A field that is a text."""
    return {"type": "string", "description": about}


def maybe(about: str) -> dict[str, Any]:
    """A field that is a text or missing."""
    return {"type": ["string", "null"], "description": about}


def whole(about: str) -> dict[str, Any]:
    """A field that is a whole number."""
    return {"type": "integer", "description": about}


MAIL = {
    "sender": text("the e-mail address it is from"),
    "subject": text("the subject"),
    "date": text("the date as written"),
}

FILES = [
    Case(
        "family-day.eml",
        {**MAIL, "company": text("the company in the signature"), "event": text("what people should get excited for")},
        {
            "sender": "mallori@unstructured.io",
            "subject": "Family Day",
            "date": "Wed, 21 Dec 2022 10:28:53 -0600",
            "company": "Unstructured Technologies",
            "event": "family day",
        },
    ),
    Case(
        "fake-email.eml",
        {**MAIL, "sender_name": text("the name of the sender"), "phone": maybe("a phone number")},
        {
            "sender": "mrobinson@unstructured.io",
            "subject": "Test Email",
            "date": "Fri, 16 Dec 2022 17:04:16 -0500",
            "sender_name": "Matthew Robinson",
            "phone": None,
        },
    ),
    Case(
        "mime-different-plain-html.eml",
        {**MAIL, "first_sender": text("who sent the first email"), "first_year": whole("the year of the first email"), "spam_year": whole("the year of the first spam")},
        {
            "sender": "sender@example.com",
            "subject": "Example MIME Email",
            "date": "Tue, 01 Oct 2024 12:34:56 -0500",
            "first_sender": "Ray Tomlinson",
            "first_year": 1971,
            "spam_year": 1978,
        },
    ),
    Case(
        "fake-email-with-cc-and-bcc.msg",
        {"sender": text("the e-mail address it is from"), "cc": text("the address in copy"), "bcc": text("the address in blind copy"), "subject": text("the subject"), "deadline": maybe("a deadline")},
        {
            "sender": "johnjennings702@gmail.com",
            "cc": "steve@unstructured.io",
            "bcc": "hello@unstructured.io",
            "subject": "Fake email with cc and bcc recipients",
            "deadline": None,
        },
    ),
    Case(
        "example-10k-1p.html",
        {"company": text("the issuer's name"), "state": text("the state of incorporation"), "employer_number": text("the IRS employer identification number"), "phone": text("the registrant's telephone number"), "commission_file_number": text("the commission file number")},
        {"company": "Galaxy Gaming, Inc.", "state": "Nevada", "employer_number": "20-8143439", "phone": "(702) 939-3254", "commission_file_number": "000-30653"},
    ),
    Case(
        "fake-memo-with-duplicate-page.pdf",
        {"date": text("the date of the memo"), "bottles": whole("bottles of water"), "blankets": whole("blankets"), "laptops": whole("laptops"), "trucks": whole("trucks"), "hours": whole("hours they were used"), "signed_by": text("who signed")},
        {"date": "May 5, 2023", "bottles": 20000, "blankets": 10000, "laptops": 200, "trucks": 3, "hours": 15, "signed_by": "Mallori"},
    ),
    Case(
        "example-steelJIS-datasheet.html",
        {"grade": text("the grade of the steel"), "standard": text("the number of the standard, such as JIS G 1234"), "classification": text("the classification")},
        {"grade": "SNB22-3", "standard": "JIS G 4108", "classification": "Structural steel Chromium molybdenum steel"},
    ),
    Case(
        "IRS-form-1987.pdf.txt",
        {"form": text("the number of the form the instructions are for"), "revised": text("when it was revised"), "title": text("what the application is for"), "department": text("the department")},
        {"form": "Form 3115", "revised": "November 1987", "title": "Application for Change in Accounting Method", "department": "Department of the Treasury"},
    ),
    Case(
        "handbook-1p.docx",
        {"handbook": text("the name of the handbook"), "chapter_title": text("the title of chapter 1"), "statute": text("the section of the code that is cited first")},
        {"handbook": "US Trustee Handbook", "chapter_title": "INTRODUCTION", "statute": "28 U.S.C. § 586(b)"},
    ),
    Case(
        "book-war-and-peace-1p.txt",
        {"speaker": text("the name of the woman who speaks first"), "year": whole("the year"), "month": text("the month"), "favourite_of": text("whose favorite she is")},
        {"speaker": "Anna Pavlovna Scherer", "year": 1805, "month": "July", "favourite_of": "Empress Marya Fedorovna"},
    ),
    Case(
        "stanley-cups.csv",
        {"toronto_team": text("the team of TOR"), "toronto_cups": whole("the Stanley Cups of TOR"), "blues_location": text("the location of the Blues")},
        {"toronto_team": "Maple Leafs", "toronto_cups": 13, "blues_location": "STL"},
    ),
    Case(
        "science-exploration-1p.pptx",
        {"astrophysics_code": whole("the code of the Astrophysics Science Division"), "code_690": text("the division with code 690"), "sedvme_managed_by": whole("the code of the office that manages the SEDVME project")},
        {"astrophysics_code": 660, "code_690": "Solar System Exploration Division", "sedvme_managed_by": 606},
    ),
]  # fmt: skip

_COMPANY = {
    "name": text("the company's name"),
    "founded": whole("the year it was founded"),
    "founder": text("who founded it"),
    "employees": whole("how many people work there"),
    "address": text("its address"),
    "phone": maybe("its phone number"),
}


def _page(title: str, body: str) -> str:
    return (
        f"<html><head><title>{title}</title><script>track('visit 4711')</script></head><body><nav><a href='/'>Home</a> "
        f"<a href='/jobs'>Jobs: 12 open</a></nav><main><h1>{title}</h1>{body}</main><footer>© 2026 Example "
        "Hosting, founded 1999, phone 555-0000</footer></body></html>"
    )


PAGES = [
    Case(
        "/halcyon",
        _COMPANY,
        {"name": "Halcyon Boats Ltd", "founded": 1987, "founder": "Maria Okafor", "employees": 42, "address": "12 Quay Street, Whitby", "phone": "+44 1947 600123"},
        _page("About us", "<p>Halcyon Boats Ltd has built wooden boats since 1987, when Maria Okafor rented a shed by the harbour. Today 42 people work with us.</p><p>Visit us at 12 Quay Street, Whitby, or call +44 1947 600123.</p>"),
    ),
    Case(
        "/moutai",
        {"company": text("公司名称"), "english_name": text("英文名称"), "issue_price": {"type": "number", "description": "发行价格"}, "established": text("成立日期"), "capital": text("注册资本"), "address": text("办公地址")},
        {"company": "贵州茅台酒股份有限公司", "english_name": "Kweichow Moutai Co., Ltd.", "issue_price": 31.39, "established": "1999-11-20", "capital": "125620 万元", "address": "贵州省仁怀市茅台镇"},
        _page("公司简介", "<table><tr><td>公司名称</td><td>贵州茅台酒股份有限公司</td></tr><tr><td>英文名称</td><td>Kweichow Moutai Co., Ltd.</td></tr><tr><td>上市日期</td><td>2001-08-27</td></tr><tr><td>发行价格</td><td>31.39</td></tr><tr><td>成立日期</td><td>1999-11-20</td></tr><tr><td>注册资本</td><td>125620 万元</td></tr><tr><td>办公地址</td><td>贵州省仁怀市茅台镇</td></tr></table>"),
    ),
    Case(
        "/padaria",
        _COMPANY,
        {"name": "Padaria Aurora", "founded": 1954, "founder": "Joaquim Teles", "employees": 9, "address": "Rua das Flores 12, Porto", "phone": None},
        _page("Quem somos", "<p>A Padaria Aurora foi fundada em 1954 por Joaquim Teles e continua na família. Somos 9 pessoas e abrimos todos os dias às 6 horas.</p><p>Morada: Rua das Flores 12, Porto.</p>"),
    ),
    Case(
        "/product",
        {"product": text("the product's name"), "price": {"type": "number", "description": "the price today"}, "currency": {"type": "string", "enum": ["EUR", "USD", "GBP"], "description": "the currency"}, "weight_kg": {"type": "number", "description": "the weight in kilograms"}, "colours": {"type": "array", "items": {"type": "string"}, "description": "the colours it comes in"}},
        {"product": "Heron 300 pull saw", "price": 34.9, "currency": "EUR", "weight_kg": 0.4, "colours": ["black", "red"]},
        _page("Heron 300 pull saw", "<p>Price: <s>39.90 EUR</s> <b>now 34.90 EUR</b></p><ul><li>Weight: 0.4 kg</li><li>Blade: 300 mm</li><li>Colours: black, red</li></ul><p>Ships in two days.</p>"),
    ),
    Case(
        "/event",
        {"title": text("the title of the talk"), "speaker": text("who speaks"), "date": text("the date"), "room": text("the room"), "seats": whole("how many seats there are")},
        {"title": "Why bridges sing in the wind", "speaker": "Dr Ines Duarte", "date": "14 March 2027", "room": "B 204", "seats": 80},
        _page("Public lecture", "<h2>Why bridges sing in the wind</h2><p>Dr Ines Duarte speaks on 14 March 2027 at 18:30 in room B 204. There are 80 seats; last year's lecture had 120.</p>"),
    ),
    Case(
        "/museum",
        {"name": text("the museum's name"), "opens": text("when it opens"), "ticket": {"type": "number", "description": "the price of a ticket for adults, in euros"}, "closed_on": text("the day it is closed")},
        {"name": "Museo del Faro", "opens": "10:00", "ticket": 6.5, "closed_on": "lunes"},
        _page("Museo del Faro", "<p>El Museo del Faro abre de martes a domingo a las 10:00 y cierra a las 18:00. Los lunes está cerrado: el lunes es su día de descanso.</p><p>Entrada: adultos 6,50 €, niños 3 €.</p>"),
    ),
    Case(
        "/ship",
        {"ship": text("the ship's name"), "built": whole("the year she was built"), "length_m": {"type": "number", "description": "her length in metres"}, "yard": text("the yard that built her"), "sunk": maybe("when she sank")},
        {"ship": "Morgenstern", "built": 1912, "length_m": 61.4, "yard": "Seebeck, Geestemünde", "sunk": None},
        _page("The barque Morgenstern", "<table><tr><th>Built</th><td>1912</td></tr><tr><th>Yard</th><td>Seebeck, Geestemünde</td></tr><tr><th>Length</th><td>61.4 m</td></tr><tr><th>Beam</th><td>9.8 m</td></tr></table><p>The Morgenstern carried grain until 1938 and is a museum today.</p>"),
    ),
    Case(
        "/job",
        {"position": text("the position"), "city": text("the city"), "salary_from": whole("the lowest salary a year"), "salary_to": whole("the highest salary a year"), "remote": {"type": "boolean", "description": "whether the work can be done from home"}},
        {"position": "Boat builder", "city": "Whitby", "salary_from": 28000, "salary_to": 34000, "remote": False},
        _page("Work with us", "<p>We look for a <b>Boat builder</b> in Whitby. We pay between £28,000 and £34,000 a year. The work is done in our shed; working from home is not possible.</p>"),
    ),
]  # fmt: skip

CASES = [*FILES, *PAGES]
