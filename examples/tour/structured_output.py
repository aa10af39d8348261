"""Tour: structured output. Named fields in, checked data out; a model that gets it wrong is told what, and asked again.

python examples/tour/structured_output.py
"""

from pydantic import BaseModel, Field

from ziggurat.stages.extract import Extract
from ziggurat.stages.shapes import ResponseSchema


class Person(BaseModel):
    """The same, as a class: the result is an instance of it."""

    name: str
    born: int = Field(ge=1000, le=2100)


def main(model=None):
    """The repaired spelling as plain data, and a person as an instance, with the place of each value."""
    repaired = Extract(
        [
            ResponseSchema("bad_string", "what the user wrote, as it was"),
            ResponseSchema("good_string", "the same with every word spelt correctly"),
        ],
        model,
        verbatim=False,  # the second value is not in the text
    ).run("welcom to califonya!")
    person = Extract(Person, model).run("Ada Lovelace, who was born in 1815, wrote the first program.")
    print(repaired, person, sep="\n\n")
    return repaired, person


if __name__ == "__main__":
    main()
