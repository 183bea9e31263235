"""Whoever reads a page in a language that is not his chooses another at its foot."""

from typing import Any

import requests


def test_a_person_chooses_his_language(world: Any) -> None:
    """His choice comes before the browser's wish, is remembered in a cookie that says nothing else, and can be undone.

    What is no language of ours changes nothing and is not remembered.
    """
    person = requests.Session()
    person.headers.update({"Accept-Language": "de", "Accept": "text/html"})

    def read(query: str = "") -> str:
        answer = person.get(f"{world.url}/s{query}", timeout=10)
        return str(answer.headers["Content-Language"])

    assert read() == "de"
    for junk in ("xx", "", "be%0d%0aSet-Cookie:%20a=b", "x" * 2000):
        assert read(f"?language={junk}") == "de"
    assert not person.cookies
    answer = person.get(f"{world.url}/s?language=be", timeout=10)
    assert answer.headers["Content-Language"] == "be"
    [cookie] = answer.cookies
    assert (cookie.name, cookie.value, cookie.secure, cookie.path) == ("__Host-language", "be", True, "/")
    assert cookie.has_nonstandard_attr("HttpOnly")
    # requests sends no secure cookie to plain http, which a browser does on its own machine.
    person.headers["Cookie"] = f"{cookie.name}={cookie.value}"
    assert read() == "be"
    assert "Увядзіце код" in person.get(f"{world.url}/s", timeout=10).content.decode()
    assert "Нумар для службы падтрымкі" in person.get(f"{world.url}/nowhere", timeout=10).content.decode()
    assert read("?language=en") == "en"


def test_what_is_not_there_twice_offers_no_other_language(world: Any) -> None:
    """A refusal that came of a form or of Microsoft's answer would be another one when its address is asked again."""
    with requests.Session() as person:
        person.headers.update({"Accept-Language": "de", "Accept": "text/html"})
        gone = person.get(f"{world.url}/auth/finish?tx=unknown", timeout=10)
        posted = person.post(f"{world.url}/auth/callback", data={"state": "unknown", "code": "x"}, timeout=10)
        nowhere = person.get(f"{world.url}/nowhere", timeout=10)
    assert min(gone.status_code, posted.status_code, nowhere.status_code) >= 400
    for page, choices in ((gone, 0), (posted, 0), (nowhere, 1)):
        assert page.headers["Content-Language"] == "de"
        assert page.text.count('class="languages"') == choices
