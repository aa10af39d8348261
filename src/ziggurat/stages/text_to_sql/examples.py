"""A few questions to a made-up library and their queries: what a model is shown before it is asked.

The same for every database, so that a model which keeps what it has read reads them once. The queries are in
the dialect of the database that is asked, dates included.
"""

from __future__ import annotations

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from ziggurat.stages.language import Language

NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MySQL", "duckdb": "DuckDB", "tsql": "SQL Server"}

_SCHEMA = """\
CREATE TABLE branch (
  branch_id INTEGER PRIMARY KEY,
  branch_name TEXT, -- e.g. 'Central', 'Harbour'
  city TEXT -- e.g. 'Lisbon', 'Porto'
);
CREATE TABLE member (
  member_id INTEGER PRIMARY KEY,
  full_name TEXT, -- e.g. 'Ana Sousa', 'Li Wei'
  joined_on DATE,
  branch_id INTEGER
);
CREATE TABLE book (
  book_id INTEGER PRIMARY KEY,
  title TEXT, -- e.g. 'The Tide', 'Red Kites'
  genre TEXT, -- e.g. 'Mystery', 'Poetry'
  pages INTEGER
);
CREATE TABLE loan (
  loan_id INTEGER PRIMARY KEY,
  book_id INTEGER,
  member_id INTEGER,
  loaned_on DATE,
  returned_on DATE,
  fee REAL
);
-- Joins:
-- member JOIN branch ON member.branch_id = branch.branch_id
-- loan JOIN book ON loan.book_id = book.book_id
-- loan JOIN member ON loan.member_id = member.member_id"""

_DATES = {
    "sqlite": (
        "DATE('now', '-30 days')",
        "STRFTIME('%Y-%m', loaned_on)",
        "JULIANDAY(returned_on) - JULIANDAY(loaned_on)",
    ),
    "postgres": ("CURRENT_DATE - INTERVAL '30 days'", "TO_CHAR(loaned_on, 'YYYY-MM')", "returned_on - loaned_on"),
    "duckdb": (
        "CURRENT_DATE - INTERVAL '30 days'",
        "STRFTIME(loaned_on, '%Y-%m')",
        "DATE_DIFF('day', loaned_on, returned_on)",
    ),
    "mysql": ("CURDATE() - INTERVAL 30 DAY", "DATE_FORMAT(loaned_on, '%Y-%m')", "DATEDIFF(returned_on, loaned_on)"),
}
_PLAIN = ("CURRENT_DATE - INTERVAL '30' DAY", "EXTRACT(MONTH FROM loaned_on)", "returned_on - loaned_on")

_QUERIES = """\
SELECT genre, COUNT(*) AS books FROM book GROUP BY genre
SELECT member.full_name, SUM(loan.fee) AS total_fee FROM loan JOIN member ON loan.member_id = member.member_id \
GROUP BY member.full_name ORDER BY total_fee DESC
SELECT DISTINCT member.full_name FROM member JOIN loan ON loan.member_id = member.member_id \
JOIN book ON loan.book_id = book.book_id WHERE book.genre = 'Mystery' AND book.pages > 300
SELECT 1.0 * COUNT(CASE WHEN fee > 0 THEN 1 END) / NULLIF(COUNT(CASE WHEN fee = 0 THEN 1 END), 0) AS ratio FROM loan
SELECT COUNT(*) AS loans FROM loan WHERE loaned_on >= {recent}
SELECT branch.city FROM member JOIN branch ON member.branch_id = branch.branch_id GROUP BY branch.city \
ORDER BY COUNT(*) DESC LIMIT 1
SELECT 1.0 * COUNT(CASE WHEN books > 1 THEN 1 END) / COUNT(*) AS share FROM \
(SELECT member_id, COUNT(DISTINCT book_id) AS books FROM loan GROUP BY member_id) AS per_member
SELECT {month} AS month, AVG({days}) AS days FROM loan GROUP BY {month}""".splitlines()
_QUESTIONS: dict[str, tuple[str, ...]] = {
    "en": (
        "How many books are there of each genre?",
        "What is the total fee paid by each member, from the highest to the lowest?",
        "Who borrowed a mystery book with more than 300 pages?",
        "What is the ratio of loans with a fee to loans without one?",
        "How many loans began in the last 30 days?",
        "Which city has the most members?",
        "What share of the members borrowed more than one book?",
        "How many days does it take on average to return a book, by month of the loan?",
    ),
    "zh": (
        "每种类型的书各有多少本？",
        "每位会员一共付了多少费用？从高到低排列。",
        "哪些人借过三百页以上的悬疑小说？",
        "收费借阅与免费借阅的次数之比是多少？",
        "最近三十天开始的借阅有多少次？",
        "哪个城市的会员最多？",
        "借过不止一本书的会员占多大比例？",
        "按借出月份，平均多少天归还？",
    ),
    "pt": (
        "Quantos livros há de cada gênero?",
        "Qual é o total pago por cada membro, do maior para o menor?",
        "Quem pegou emprestado um livro de mistério com mais de 300 páginas?",
        "Qual é a razão entre empréstimos com taxa e empréstimos sem taxa?",
        "Quantos empréstimos começaram nos últimos 30 dias?",
        "Que cidade tem mais membros?",
        "Que proporção dos membros pegou mais de um livro?",
        "Quantos dias se leva, em média, para devolver um livro, por mês do empréstimo?",
    ),
}


def examples(dialect: str, language: Language) -> list[BaseMessage]:
    """The examples as turns of a conversation.

    Args:
        dialect: sqlglot's name; one without dates of its own here gets standard SQL.
        language: Of the questions.
    """
    recent, month, days = _DATES.get(dialect, _PLAIN)
    asked = _QUESTIONS.get(language, _QUESTIONS["en"])
    turns: list[BaseMessage] = []
    for at, (question, query) in enumerate(zip(asked, _QUERIES, strict=True)):
        turns.append(HumanMessage(f"{_SCHEMA}\n\n{question}" if at == 0 else question))
        turns.append(AIMessage(f"```sql\n{query.format(recent=recent, month=month, days=days)};\n```"))
    return turns
