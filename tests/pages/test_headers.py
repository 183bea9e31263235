"""A page is fenced in."""

import pytest

from shared.pages import Front, Pages, security_headers


def policy(headers: dict[str, str]) -> dict[str, str]:
    """Return the directives of a content security policy."""
    directives = [directive.partition(" ") for directive in headers["Content-Security-Policy"].split("; ")]
    return {name: value for name, _, value in directives}


def test_a_page_may_load_only_our_styles_and_images() -> None:
    """The policy starts from nothing and opens what the pages use; forms lead to us and to the authority's origin."""
    headers = security_headers(["https://login.microsoftonline.com/organizations?x=1", "https://localhost:24443"])
    assert policy(headers) == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'none'",
        "form-action": "'self' https://login.microsoftonline.com https://localhost:24443",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


def test_a_nonce_admits_one_script() -> None:
    """Scripts stay forbidden but for the one with the nonce."""
    nonce = "mZ3uQ2c5u8hJ0Zx1nY4r9A=="
    assert policy(security_headers([], nonce)) == policy(security_headers([])) | {"script-src": f"'nonce-{nonce}'"}


def test_a_page_is_not_kept_framed_sniffed_or_told_on() -> None:
    """The other headers, as they are promised."""
    headers = Pages([]).render(Front(), language="de").headers
    expected = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Language": "de",
        "Vary": "Accept-Language, Cookie",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    assert expected.items() <= headers.items()
    assert "camera=()" in headers["Permissions-Policy"]
    assert "max-age=63072000" in headers["Strict-Transport-Security"]


@pytest.mark.parametrize(
    "target",
    [
        "",
        "login.microsoftonline.com",
        "javascript:alert(1)",
        "https://a.example; script-src *",
        "https://user@a.example",
        "https://*",
        "https:// a.example",
        "https://a.example\r\nX: y",
    ],
)
def test_a_form_target_is_an_origin(target: str) -> None:
    """Nothing that is not an http(s) address gets into the policy."""
    with pytest.raises(ValueError, match="not an http"):
        security_headers([target])


@pytest.mark.parametrize("nonce", ["", "short", "a b c d e f g h i j", "aaaaaaaaaaaaaaaaaaaa'; script-src *"])
def test_a_nonce_is_base64(nonce: str) -> None:
    """A nonce cannot carry another directive, and is long enough."""
    with pytest.raises(ValueError, match="nonce"):
        security_headers([], nonce)
