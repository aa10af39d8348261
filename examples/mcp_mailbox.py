"""A mailbox as an MCP server: list, read and send e-mail. What was once done through a language API of a service.

    python examples/mcp_mailbox.py                       speaks over stdin and stdout
    python examples/mcp_mailbox.py --http 8765           listens on http://127.0.0.1:8765/mcp

Messages are files in a folder (``--folder``, a new one if none is named), so nothing is really sent; put your own
mail server in the place of `Mailbox`. An agent uses it so:

    ziggurat agent "Is there anything from Ana?" --mcp "python examples/mcp_mailbox.py"
"""

from __future__ import annotations

import argparse
import tempfile
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path

from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

_FIRST = [
    ("ana@example.org", "Lunch on Friday", "Shall we meet at noon at the harbour?"),
    ("billing@example.org", "Invoice 2041", "The invoice of 312.50 euros is due on the 30th."),
]


class Mailbox:
    """E-mails as files: ``inbox/1.eml`` and so on, and what was sent in ``sent``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("inbox", "sent"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        if not any((folder / "inbox").iterdir()):
            for sender, subject, text in _FIRST:
                self.put("inbox", sender, "me@example.org", subject, text)

    def put(self, box: str, sender: str, to: str, subject: str, text: str) -> str:
        """Store a message; returns its number."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, to, subject
        message.set_content(text)
        number = str(len(list((self.folder / box).iterdir())) + 1)
        (self.folder / box / f"{number}.eml").write_text(message.as_string())
        return number

    def read(self, number: str) -> EmailMessage:
        """A message of the inbox."""
        if not number.isdecimal() or not (path := self.folder / "inbox" / f"{number}.eml").exists():
            raise ValueError(f"there is no message {number}")
        found = message_from_string(path.read_text(), policy=policy.default)
        assert isinstance(found, EmailMessage)  # noqa: S101 (the default policy makes no other)
        return found


def server(mailbox: Mailbox, port: int = 8765) -> FastMCP:
    """The MCP server over a mailbox."""
    app = FastMCP("mailbox", host="127.0.0.1", port=port, log_level="ERROR")
    reads = ToolAnnotations(readOnlyHint=True)

    @app.tool(annotations=reads)
    def list_emails() -> str:
        """Lists the e-mails in the inbox: number, sender, subject."""
        numbers = sorted(int(path.stem) for path in (mailbox.folder / "inbox").iterdir())
        found = [(number, mailbox.read(str(number))) for number in numbers]
        return "\n".join(f"{number}: from {one['From']}: {one['Subject']}" for number, one in found)

    @app.tool(annotations=reads)
    def read_email(number: str) -> str:
        """Reads one e-mail of the inbox by its number."""
        one = mailbox.read(number)
        return f"From: {one['From']}\nSubject: {one['Subject']}\n\n{one.get_content()}"

    @app.tool(annotations=ToolAnnotations(destructiveHint=True, idempotentHint=False))
    def send_email(to: str, subject: str, text: str) -> str:
        """Sends an e-mail to an address."""
        number = mailbox.put("sent", "me@example.org", to, subject, text)
        return f"Sent message {number} to {to}."

    return app


def main() -> None:
    """Serve a mailbox."""
    parser = argparse.ArgumentParser(description="A mailbox as an MCP server.")
    parser.add_argument("--folder", type=Path, help="where messages lie; a new folder if none is named")
    parser.add_argument("--http", type=int, metavar="PORT", help="listen on 127.0.0.1 instead of stdin and stdout")
    asked = parser.parse_args()
    mailbox = Mailbox(asked.folder or Path(tempfile.mkdtemp(prefix="mailbox-")))
    if asked.http is None:
        server(mailbox).run("stdio")
    else:
        server(mailbox, asked.http).run("streamable-http")


if __name__ == "__main__":
    main()
