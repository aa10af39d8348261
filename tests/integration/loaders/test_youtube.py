"""Transcripts by the real client, against a stand-in that speaks the pages it asks for."""

import json

import pytest
import requests
from requests.adapters import HTTPAdapter
from web_server import web_server

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders import load, open_source
from ziggurat.loaders.youtube import open_youtube, video_of

VIDEO = "dQw4w9WgXcQ"
ADDRESS = f"https://www.youtube.com/watch?v={VIDEO}"


class Adapter(HTTPAdapter):
    """Sends what is meant for YouTube to the stand-in."""

    def __init__(self, site):
        super().__init__()
        self.site = site

    def send(self, request, **options):
        request.url = request.url.replace("https://www.youtube.com", self.site.at(""))
        return super().send(request, **options)


class YouTube:
    def __init__(self, site):
        self.site = site
        self.tracks = []
        self.status = {"status": "OK"}
        site(f"/watch?v={VIDEO}", self.watch)
        site("/youtubei/v1/player?key=public-key", self.player)

    def session(self):
        session = requests.Session()
        session.mount("https://www.youtube.com", Adapter(self.site))
        return session

    def caption(self, code, lines, *, made=False):
        path = f"/api/timedtext?v={VIDEO}&lang={code}{'&kind=asr' if made else ''}"
        rows = "".join(f'<text start="{start}" dur="2.5">{text}</text>' for start, text in lines)
        self.site(
            path, f'<?xml version="1.0" encoding="utf-8" ?><transcript>{rows}</transcript>', "text/xml; charset=utf-8"
        )
        track = {"baseUrl": f"https://www.youtube.com{path}", "name": {"runs": [{"text": code}]}, "languageCode": code}
        self.tracks.append(track | ({"kind": "asr"} if made else {}))

    def watch(self, handler):
        page = '<html><head><title>How rivers run &amp; why - YouTube</title></head><script>{"INNERTUBE_API_KEY":"public-key"}</script></html>'
        handler.answer(200, page.encode(), "text/html; charset=utf-8")

    def player(self, handler):
        assert json.loads(handler.body())["videoId"] == VIDEO
        captions = {"playerCaptionsTracklistRenderer": {"captionTracks": self.tracks}} if self.tracks else {}
        handler.answer(
            200, json.dumps({"playabilityStatus": self.status, "captions": captions}).encode(), "application/json"
        )


@pytest.fixture
def youtube():
    with web_server() as site:
        yield YouTube(site)


def read(youtube, **options):
    with youtube.session() as session:
        (document,) = load(ADDRESS, session=session, **options)
    return document


def test_each_caption_is_a_line_with_its_second(youtube):
    youtube.caption("en", [(0, "Rivers run\ndown."), (83.5, "It&amp;#39;s gravity."), (3700, "")])
    document = read(youtube)
    assert document.text == "Rivers run down.\nIt's gravity."
    assert [(place.start, dict(place.at)) for place in document.places] == [
        (0, {"seconds": 0.0}),
        (17, {"seconds": 83.5}),
    ]
    assert document.text[17:].startswith("It's")
    assert str(document.places[1]) == "1:23"
    assert document.title == "How rivers run & why"
    assert document.source == ADDRESS
    assert document.metadata["language"] == "en"
    assert document.metadata["generated"] is False


@pytest.mark.parametrize(
    ("languages", "chosen"),
    [((), "pt-BR"), ("zh", "zh-Hans"), (("de", "en"), "en"), (("fr",), "pt-BR"), (("PT",), "pt-BR")],
)
def test_the_language_preferred_is_taken_or_else_the_videos_own(youtube, languages, chosen):
    youtube.caption("pt", [(0, "automático")], made=True)
    for code in ("en", "pt-BR", "zh-Hans"):
        youtube.caption(code, [(0, code)])
    assert read(youtube, languages=languages).metadata["language"] == chosen


def test_captions_that_were_made_are_taken_where_none_were_written(youtube):
    youtube.caption("en", [(1, "um hello")], made=True)
    assert read(youtube).metadata["generated"] is True


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"status": "OK"}, "captions are switched off"),
        ({"status": "ERROR", "reason": "This video is unavailable"}, "no such video"),
        ({"status": "LOGIN_REQUIRED", "reason": "This video may be inappropriate for some users."}, "adults"),
        ({"status": "LOGIN_REQUIRED", "reason": "Sign in to confirm you’re not a bot"}, "from this network"),
        ({"status": "UNPLAYABLE", "reason": "Members only"}, "VideoUnplayable"),
    ],
)
def test_a_transcript_that_cannot_be_had_is_one_clear_line(youtube, status, said):
    youtube.status = status
    with pytest.raises(UnreadableDocument, match=said) as caught:
        read(youtube)
    assert "\n" not in caught.value.what
    assert caught.value.where == ADDRESS


@pytest.mark.parametrize(("status", "said"), [(429, "from this network"), (500, "HTTP 500"), (404, "HTTP 404")])
def test_a_page_that_cannot_be_had_is_one_clear_line(youtube, status, said):
    youtube.site(f"/watch?v={VIDEO}", lambda handler: handler.answer(status))
    with pytest.raises(UnreadableDocument, match=said):
        read(youtube)


def test_pages_that_have_changed_are_one_clear_line(youtube):
    youtube.site(f"/watch?v={VIDEO}", "<html>new layout</html>")
    with pytest.raises(UnreadableDocument, match="has changed"):
        read(youtube)
    youtube.site(f"/watch?v={VIDEO}", youtube.watch)
    youtube.site("/youtubei/v1/player?key=public-key", "[1, 2]", "application/json")
    with pytest.raises(UnreadableDocument, match="cannot be read"):
        read(youtube)


def test_a_network_that_is_down_is_one_clear_line(youtube):
    with web_server() as gone:
        youtube.site = gone
    with pytest.raises(UnreadableDocument, match="cannot be reached"):
        read(youtube)


@pytest.mark.parametrize(
    "address",
    [
        ADDRESS,
        f"https://www.youtube.com/watch?list=PL1&v={VIDEO}&t=42s",
        f"https://youtu.be/{VIDEO}?si=abc",
        f"https://m.youtube.com/watch?v={VIDEO}",
        f"https://www.youtube.com/shorts/{VIDEO}",
        f"https://www.youtube-nocookie.com/embed/{VIDEO}",
        f"youtube://{VIDEO}",
    ],
)
def test_every_address_of_a_video_is_the_video(address):
    assert video_of(address) == VIDEO
    assert open_source(address).name == ADDRESS


@pytest.mark.parametrize(
    "address",
    [
        "https://www.youtube.com/@channel",
        "https://example.org/watch?v=dQw4w9WgXcQ",
        "https://youtu.be/short",
        "youtube://",
        "http://[::1",
    ],
)
def test_other_addresses_are_no_video(address):
    assert video_of(address) is None
    with pytest.raises(InputError, match="shows no video"):
        open_youtube(address)
