"""An output that decodes in the reader's own browser."""

from __future__ import annotations

import re

from reznet_ws.lab.explain.page import Page, decoder_source


def test_nothing_in_a_message_ends_the_pages_script() -> None:
    text = "</script><script>alert(1)</script>"
    html = Page([f'42["message_new",{{"c":"{text}"}}]', b"\x00\xff"], [("message_new", {"content": text})]).to_html()
    assert len(re.findall("</script>", html)) == 1
    assert "@EMITTED@" in Page(['42["@EMITTED@"]'], []).to_html()


def test_the_excerpt_is_a_whole_function_of_the_module() -> None:
    for name in ("decodePayload", "attach"):
        source = decoder_source(name)
        assert source.startswith(f"export function {name}(")
        assert source.count("{") == source.count("}")
