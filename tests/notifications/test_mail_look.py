"""Mails of every kind in every language: they show in any mail program, and say the same as text and as HTML."""

import re
from html.parser import HTMLParser

from notifications.every_mail import every_mail
from smmpanel.kernel.i18n import LANGUAGES
from smmpanel.notifications.mails import MailKind

BYTES_MAX = 12_000
"""Some programs cut long mails off, and all of them travel over phones."""
PLAIN_TAGS = {*["html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "h1", "p", "a", "span"]}


class Contents(HTMLParser):
    """What a mail is made of, and where it leads."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.words, self.inside = set(), [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.inside.append(tag)
        found = dict(attrs)
        self.links += [found[name] for name in ("href", "src", "background") if name in found]

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if data.strip() and not {"style", "title"} & set(self.inside):
            self.words.append(" ".join(data.split()))


async def test_every_mail_is_made_for_mail_programs(mailing, mai):
    seen = [pair async for pair in every_mail(mailing, mai)]

    assert len(seen) == len(LANGUAGES) * (len(MailKind) + 3)
    for name, letter in seen:
        contents = Contents(letter.html)
        assert contents.tags <= PLAIN_TAGS, name
        assert contents.links, name
        assert all(link.startswith("https://panel.example/") for link in contents.links), (name, contents.links)
        assert "url(" not in letter.html, name
        assert "@import" not in letter.html, name
        assert len(letter.html.encode()) < BYTES_MAX, name
        assert f'lang="{name.rpartition("-")[2]}"' in letter.html, name


async def test_the_text_says_all_that_the_html_says(mailing, mai):
    async for name, letter in every_mail(mailing, mai):
        contents = Contents(letter.html)
        told = " ".join(letter.text.split())
        # The line that lists of mails show says what stands further down as well, or nothing of its own.
        _preheader, *words = contents.words
        for each in words:
            assert each.strip(" ·.") in told, (name, each)
        for link in contents.links:
            plain = re.sub(r"/(verify|reset)/\w+", r"/\1/", link)
            assert plain in re.sub(r"/(verify|reset)/\w+", r"/\1/", letter.text), (name, link)
        assert letter.subject in letter.text, name


async def test_lists_of_mails_show_a_line_of_its_own(mailing, mai):
    async for name, letter in every_mail(mailing, mai):
        [shown] = re.findall(r'<div style="display:none[^"]*"[^>]*>([^<&]*)', letter.html)
        assert shown.strip(), name
        assert shown.strip() != letter.subject, name
