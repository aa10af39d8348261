"""Tour: questions to databases. SQLite, MySQL or any SQLAlchemy address; the query is checked, read-only, and shown with its rows.

python examples/tour/sql_questions.py chinook.sqlite "How many employees are there?"
python examples/tour/sql_questions.py mysql+pymysql://user@127.0.0.1/chinook "How many employees are there?"
"""

import sys

from ziggurat.sql import Database
from ziggurat.stages.agent import Agent
from ziggurat.stages.sql import SQL
from ziggurat.tools import sql_tools


def main(database, question="How many employees are there?", model=None, agent_model=None):
    """What an agent says of a table, and the answer to the question with its query and rows."""
    opened = Database.open(database)
    table = Agent(sql_tools(opened), agent_model or model).run("Describe the playlisttrack table.")
    print(table.trace())
    answer = SQL(opened, model).run(question)
    print(answer)
    return table, answer


if __name__ == "__main__":
    main(*sys.argv[1:3])
