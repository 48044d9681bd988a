"""The pages as visitors get them: through nginx, whose policy says what a browser may load."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from benchmarks.client.browser import PAGES, give, settle
from tests.deploy.test_proxy import pytestmark, running

__all__ = ["pytestmark"]  # skipped where nginx is missing

WATCH = """window.refused = [];
document.addEventListener('securitypolicyviolation', event =>
    window.refused.push(`${event.violatedDirective}: ${event.blockedURI}`));"""


@pytest.fixture(scope="module")
def door(
    context: BrowserContext, address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, BrowserContext]]:
    """nginx's address, and a browser that trusts its certificate and notes what it is refused."""
    app = address.removeprefix("http://").rstrip("/")
    assert context.browser
    browser = context.browser.new_context(ignore_https_errors=True)
    browser.add_init_script(WATCH)
    with running(tmp_path_factory.mktemp("door"), [app, app]) as door:
        yield door.address, browser
        browser.close()


@pytest.mark.parametrize("name", PAGES)
def test_the_policy_forbids_nothing_that_a_page_needs(
    door: tuple[str, BrowserContext], name: str, kingfisher: Path
) -> None:
    address, browser = door
    page = browser.new_page()
    page.goto(f"{address}/{PAGES[name]}")
    settle(page)
    if name != "results":
        give(page, kingfisher)
    assert page.evaluate("window.refused") == []
    page.close()


def test_the_policy_forbids_scripts_and_pictures_that_a_page_has_not_from_here(
    door: tuple[str, BrowserContext],
) -> None:
    address, browser = door
    page = browser.new_page()
    page.goto(f"{address}/_stcore/health")
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.ran = true';
        document.body.append(script);
        new Image().src = 'https://example.org/a.png';
    }""")
    page.wait_for_function("window.refused.length == 2")
    assert page.evaluate("window.ran") is None
    assert {refused.split(":")[0] for refused in page.evaluate("window.refused")} == {
        "img-src", "script-src-elem"
    }  # fmt: skip
    page.close()
