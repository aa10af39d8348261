"""The transcript of a YouTube video, a line for each caption, with the second it begins at.

Fetched by youtube-transcript-api, which asks the pages that a player asks; no key is needed. Knows
nothing of sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ziggurat.errors import InputError, UnreadableDocument, ZigguratError
from ziggurat.loaders.document import Place, SourceDocument
from ziggurat.loaders.draft import fit
from ziggurat.loaders.source import Item
from ziggurat.optional import require

_HOSTS = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "www.youtube-nocookie.com"})
_SHORT = frozenset({"youtu.be", "www.youtu.be"})
_ID = re.compile(r"[\w-]{11}", re.ASCII)
_IN_PATH = re.compile(r"/(?:shorts|embed|live|v)/([\w-]{11})(?:/|$)", re.ASCII)
_TITLE = re.compile(r"<title[^>]*>(.{1,300}?)(?: - YouTube)?</title>", re.DOTALL)
_TIMEOUT = 20.0

_SAID = {
    "TranscriptsDisabled": ("The video has no transcript: captions are switched off.", None),
    "NoTranscriptFound": ("The video has no transcript.", None),
    "VideoUnavailable": ("There is no such video, or it is gone.", None),
    "InvalidVideoId": ("There is no such video.", None),
    "AgeRestricted": ("The video is shown to adults only; its transcript cannot be had.", None),
    "RequestBlocked": (
        "YouTube refuses requests from this network.",
        "try later, from another network or through a session of your own",
    ),
    "IpBlocked": (
        "YouTube refuses requests from this network.",
        "try later, from another network or through a session of your own",
    ),
    "PoTokenRequired": ("YouTube asks a player's proof for this transcript.", None),
    "YouTubeDataUnparsable": ("YouTube's page has changed and cannot be read.", "upgrade youtube-transcript-api"),
    "FailedToCreateConsentCookie": ("YouTube asks for consent to cookies, which could not be given.", None),
}


def video_of(address: str) -> str | None:
    """The id of the video that an address shows; None if it shows none."""
    if address.lower().startswith("youtube://"):
        found = address[len("youtube://") :].strip("/")
        return found if _ID.fullmatch(found) else None
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    found = ""
    if host in _SHORT:
        found = parts.path.strip("/").partition("/")[0]
    elif host in _HOSTS:
        in_path = _IN_PATH.match(parts.path)
        found = in_path[1] if in_path else (parse_qs(parts.query).get("v") or [""])[0] if parts.path == "/watch" else ""
    return found if _ID.fullmatch(found) else None


def open_youtube(
    address: str, *, languages: str | Iterable[str] = (), session: Any | None = None, timeout: float = _TIMEOUT
) -> Video:
    """The transcript of a video.

    Args:
        address: ``https://www.youtube.com/watch?v=…``, ``https://youtu.be/…``, ``youtube://<id>``.
        languages: Those preferred, best first; ``"zh"`` is any Chinese. Written captions go before made
            ones. Where there is none of them, whatever there is comes, the video's own language first.
        session: A ``requests.Session``, to go through a proxy for instance.
        timeout: Seconds that one request may be silent.

    Raises:
        InputError: If the address shows no video.
    """
    video = video_of(address)
    if video is None:
        raise InputError(
            "This address shows no video.",
            where=address.partition("&")[0],
            fix="give https://www.youtube.com/watch?v=... or youtube://<id>",
        )
    return Video(video, (languages,) if isinstance(languages, str) else tuple(languages), session, timeout)


@dataclass(frozen=True)
class Video:
    """The transcript of one video.

    Args:
        id: The video's.
        languages: Those preferred, best first.
        session: What sends the requests; a new one if None.
        timeout: Seconds that one request may be silent.
    """

    id: str
    languages: tuple[str, ...] = ()
    session: Any | None = field(default=None, repr=False)
    timeout: float = _TIMEOUT

    @property
    def name(self) -> str:
        """The address of the video's page."""
        return f"https://www.youtube.com/watch?v={self.id}"

    def items(self) -> Iterator[Item]:
        """The transcript; nothing tells whether it has changed."""
        yield Item(self.name, self._read)

    def _read(self) -> Iterator[SourceDocument]:
        module = require("youtube_transcript_api", for_="reading transcripts", extra="youtube")
        requests = require("requests", for_="reading transcripts", extra="youtube")
        session = self.session or requests.Session()
        client = _Client(session, self.timeout)
        try:
            chosen = self._chosen(list(module.YouTubeTranscriptApi(http_client=client).list(self.id)))
            transcript = chosen.fetch()
        except ZigguratError:
            raise
        except module.CouldNotRetrieveTranscript as error:
            raise self._refused(error) from error
        except requests.RequestException as error:
            raise UnreadableDocument(
                f"YouTube cannot be reached: {type(error).__name__}.", where=self.name, fix="try later"
            ) from error
        except Exception as error:
            raise UnreadableDocument(  # the client reads what YouTube sends without checking it
                f"YouTube's answer cannot be read: {type(error).__name__}.",
                where=self.name,
                fix="upgrade youtube-transcript-api",
            ) from error
        finally:
            if self.session is None:
                session.close()
        yield self._document(transcript, client.title)

    def _chosen(self, every: list[Any]) -> Any:
        """The best transcript: of the languages preferred, then any; written before made."""
        for language in self.languages:
            for one in every:
                code = str(one.language_code).lower()
                if code == language.lower() or code.startswith(f"{language.lower()}-"):
                    return one
        if not every:
            raise UnreadableDocument("The video has no transcript.", where=self.name)
        made = [str(one.language_code) for one in every if one.is_generated]
        own = [
            one
            for one in every
            if not one.is_generated and made and str(one.language_code).partition("-")[0] == made[0].partition("-")[0]
        ]
        return (own or every)[0]

    def _document(self, transcript: Any, title: str | None) -> SourceDocument:
        lines: list[str] = []
        places: list[Place] = []
        length = 0
        for snippet in transcript:
            line = fit(" ".join(str(snippet.text).split()))
            if line:
                places.append(Place(length, {"seconds": round(float(snippet.start), 2)}))
                lines.append(line)
                length += len(line) + 1
        if not lines:
            raise UnreadableDocument("The transcript is empty.", where=self.name)
        metadata = {
            "source": self.name,
            "language": transcript.language_code,
            "generated": bool(transcript.is_generated),
        }
        if title:
            metadata["title"] = title
        places.sort(key=lambda place: place.start)
        return SourceDocument(self.name, "\n".join(lines), "text", metadata, places)

    def _refused(self, error: Exception) -> UnreadableDocument:
        kind = type(error).__name__
        status = getattr(getattr(error, "__cause__", None) or getattr(error, "__context__", None), "response", None)
        told = f" (HTTP {status.status_code})" if status is not None else ""
        what, fix = _SAID.get(kind, (f"YouTube does not give the transcript: {kind}{told}.", None))
        return UnreadableDocument(what, where=self.name, fix=fix)


class _Client:
    """What the transcripts' client uses of a session, with a timeout, and an ear for the page's title."""

    def __init__(self, session: Any, timeout: float) -> None:
        self._session = session
        self._timeout = timeout
        self.headers = session.headers
        self.cookies = session.cookies
        self.title: str | None = None

    def get(self, url: str, **options: Any) -> Any:
        answer = self._session.get(url, timeout=self._timeout, **options)
        if "/watch?" in url:
            found = _TITLE.search(answer.text)
            title = fit(" ".join(unescape(found[1]).split())) if found else ""
            self.title = title if title not in ("", "YouTube") else None
        return answer

    def post(self, url: str, **options: Any) -> Any:
        return self._session.post(url, timeout=self._timeout, **options)
