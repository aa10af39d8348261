"""Tour: data out of a web page. Fetched, cleaned of what is not content, and read into named fields.

python examples/tour/web_page.py https://example.org/company
"""

import sys

from ziggurat.stages.extract import Extract

FIELDS = {
    "company_name": "the company's name",
    "company_english_name": "its English name",
    "issue_price": "the price its shares were issued at",
    "date_of_establishment": "when the company was established",
    "registered_capital": "its registered capital",
    "office_address": "where its office is",
    "company_profile": "what it does",
}


def main(address, model=None, **load):
    """The company's profile, with the place of each value on the page. Private addresses are refused unless allowed."""
    found = Extract(FIELDS, model, reads="source", load=load).run(address)
    print(found)
    return found


if __name__ == "__main__":
    main(sys.argv[1])
