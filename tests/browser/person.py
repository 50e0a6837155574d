"""One person with a browser, in the words of what a person does; names are the web client's own, in English."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from playwright.sync_api import Locator, Page, WebSocket

from tests.browser.browsers import PICTURE, eventually, peer_statistics

CODE = re.compile(r"\b(\d{6})\b")

#: Gives the browser a file on its clipboard's way: a paste event with a PNG, as a browser makes it.
PASTE_PNG = """
(editor, data) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const clipboard = new DataTransfer();
  clipboard.items.add(new File([bytes], "picture.png", { type: "image/png" }));
  editor.dispatchEvent(new ClipboardEvent("paste", { clipboardData: clipboard, bubbles: true, cancelable: true }));
}
"""


class Person:
    """A browser profile, its page, and the mails its owner gets (`mails`: plain texts, oldest first)."""

    def __init__(self, page: Page, url: str, email: str, mails: Callable[[str], list[str]]) -> None:
        self.page = page
        self.url = url
        self.email = email
        self._mails = mails
        self.console: list[str] = []
        self.signalling: list[WebSocket] = []
        """Every socket that the page opened to an sfuserver."""
        page.on("websocket", lambda socket: self.signalling.append(socket) if "/rtc" in socket.url else None)
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.console.append(f"error: {error}"))

    # --- people and meetings

    def sign_in(self) -> None:
        """By the code that is mailed."""
        known = len(self._mails(self.email))
        self.page.goto(f"{self.url}/sign-in")
        self.page.get_by_label("E-mail address").fill(self.email)
        self.page.get_by_role("button", name="Send code").click()
        field = self.page.get_by_label("Code", exact=True)
        field.wait_for()
        mails = eventually("a mail with the code", lambda: self._mails(self.email)[known:], page=self.page)
        found = CODE.search(mails[-1])
        assert found, f"no code in: {mails[-1]}"
        field.fill(found[1])
        self.page.get_by_role("heading", name="My meetings").wait_for()

    def open_instant_meeting(self) -> str:
        """Its link; the page shows its device check."""
        self.page.get_by_role("button", name="New meeting").click()
        self.page.wait_for_url("**/m/*")
        return self.page.url

    def schedule(self, title: str, invite: str, *, encrypted: bool = False) -> str:
        """A meeting that begins in an hour; gives its key where it is end-to-end encrypted."""
        begin = datetime.now() + timedelta(hours=1)
        self.page.get_by_role("button", name="Schedule").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("Title").fill(title)
        dialog.get_by_label("Date").fill(begin.strftime("%Y-%m-%d"))
        dialog.get_by_label("Begins").fill(begin.strftime("%H:%M"))
        dialog.get_by_label(re.compile(r"^Ends\b(?! by)")).fill((begin + timedelta(minutes=30)).strftime("%H:%M"))
        dialog.get_by_label("Invite", exact=True).fill(invite)
        dialog.get_by_label("Invite", exact=True).press("Enter")
        if encrypted:
            dialog.get_by_role("button", name="Options").click()
            dialog.get_by_role("checkbox", name="End-to-end encrypted").click()
        dialog.get_by_role("button", name="Schedule meeting").click()
        key = ""
        if encrypted:
            handed_out = self.page.get_by_role("dialog", name="Give the key to the others")
            key = handed_out.locator("code").inner_text()
            handed_out.get_by_role("button", name="Close").last.click()
        dialog.wait_for(state="hidden")
        return key

    def link_in_mail(self) -> str:
        """The link of the newest invitation."""
        pattern = re.compile(rf"{re.escape(self.url)}/m/[a-z-]+")

        def link() -> str | None:
            return next(
                (found[0] for text in reversed(self._mails(self.email)) if (found := pattern.search(text))), None
            )

        return eventually("an invitation with a link", link, page=self.page)

    # --- the meeting

    def join(self, link: str, *, relay: bool = False, name: str | None = None, key: str | None = None) -> None:
        """Through the device check, until the controls of the meeting are there."""
        self.page.goto(f"{link}?relay=1" if relay else link)
        if name is not None:
            self.page.get_by_label("Your name").fill(name)
        if key is not None:
            self.page.get_by_label("Key of the meeting").fill(key)
        self.page.get_by_role("button", name="Join now").click()
        self.page.get_by_role("button", name="Mute microphone").wait_for()

    def leave(self) -> None:
        self.page.get_by_role("button", name="Leave", exact=True).click()
        menu = self.page.get_by_role("menuitem", name="Leave the meeting")
        if menu.is_visible():
            menu.click()
        self.page.get_by_text("You left the meeting").wait_for()

    def pictures_of_others(self, source: str = "camera") -> Locator:
        """The <video> elements of other people's cameras or screens."""
        return self.page.locator(f'video[data-source="{source}"]:not([aria-label$="(you)"])')

    def sees(self, source: str = "camera", *, within: float = 20.0) -> dict[str, float]:
        """Waits until somebody else's picture moves and is not one flat colour; gives what was measured."""

        def look() -> dict[str, float] | None:
            for video in self.pictures_of_others(source).element_handles():
                first = video.evaluate(PICTURE)
                self.page.wait_for_timeout(500)
                second: dict[str, float] = video.evaluate(PICTURE)
                if second["frames"] > first["frames"] and second["mean"] > 8 and second["variance"] > 8:
                    return second
            return None

        return eventually(f"somebody's {source}, moving and not black", look, within=within, page=self.page)

    def hears(self, *, within: float = 20.0) -> float:
        """Waits until the energy of received audio grows (the fake microphone beeps each second)."""

        def energy() -> float:
            rows = peer_statistics(self.page)
            return sum(
                float(row.get("totalAudioEnergy", 0.0))
                for row in rows
                if row["type"] == "inbound-rtp" and row["kind"] == "audio"
            )

        before = energy()
        return eventually("sound from somebody", lambda: max(0.0, energy() - before), within=within, page=self.page)

    def share_screen(self) -> None:
        self.page.get_by_role("button", name="Share screen").click()
        self.page.get_by_role("button", name="Stop sharing").wait_for()

    def open_panel(self, name: str) -> None:
        button = self.page.get_by_role("button", name=re.compile(f"^{name}"))
        if button.get_attribute("aria-expanded") != "true":
            button.click()

    def write_in_chat(self, text: str) -> None:
        self.open_panel("Chat")
        self.page.get_by_role("textbox", name="Write a message").fill(text)
        self.page.get_by_role("textbox", name="Write a message").press("Enter")

    def reads_in_chat(self, text: str) -> None:
        self.open_panel("Chat")
        self.page.get_by_role("log").get_by_text(text).wait_for()

    def ways(self) -> set[str]:
        """The candidate types (host, srflx, prflx, relay) of our side that media takes now."""
        return {candidate["candidateType"] for candidate in self.candidates()}

    def candidates(self) -> list[dict[str, Any]]:
        """Of our side, those that media takes now (https://www.w3.org/TR/webrtc-stats/#icecandidate-dict*)."""
        rows: dict[str, dict[str, Any]] = {row["id"]: row for row in peer_statistics(self.page)}
        chosen = [rows[row["selectedCandidatePairId"]] for row in rows.values() if row.get("selectedCandidatePairId")]
        return [rows[pair["localCandidateId"]] for pair in chosen]

    def srtp_profiles(self) -> set[str]:
        """The SRTP ciphers in use, as the browser names them."""
        return {row["srtpCipher"] for row in peer_statistics(self.page) if row.get("srtpCipher")}

    # --- minutes

    @property
    def minutes(self) -> Locator:
        return self.page.get_by_role("textbox", name="Minutes")

    def _go_into_minutes(self) -> None:
        """Opens them and waits until they can be written in."""
        self.open_panel("Minutes")
        self.minutes.and_(self.page.locator("[contenteditable=true]")).click()

    def write_in_minutes(self, text: str) -> None:
        self._go_into_minutes()
        self.minutes.press("Control+End")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def paste_picture_into_minutes(self, png: bytes) -> None:
        self._go_into_minutes()
        self.minutes.evaluate(PASTE_PNG, base64.b64encode(png).decode())

    def sees_pictures_in_minutes(self, count: int, *, within: float = 20.0) -> None:
        """Waits until `count` pictures of the minutes are loaded (not only linked)."""
        loaded = "images => images.filter(i => i.complete && i.naturalWidth > 0).length"
        images = self.minutes.locator("img[src*='/files/']")
        eventually(
            f"{count} pictures in the minutes",
            lambda: images.evaluate_all(loaded) == count,
            within=within,
            page=self.page,
        )
