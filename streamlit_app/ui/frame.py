"""The frame on a photo that says what to look at, dragged by mouse, finger or keyboard."""

from pathlib import Path

import streamlit as st

from streamlit_app.ui.cropping import Box, box_from_browser
from streamlit_app.ui.photo import crop_to

HTML = """<div class="crop-stage">
<button type="button" class="crop-frame" aria-label="Frame to look at: arrow keys move it, plus and
 minus resize it">
<span data-grip="nw"></span><span data-grip="ne"></span><span data-grip="drag"></span>
<span data-grip="sw"></span><span data-grip="se"></span>
</button></div>"""
# The frame is seen once the script has drawn it. A grip takes a fingertip, though little of it is
# seen; fingers elsewhere scroll the page. In a small frame the grips of the corners reach as far
# inwards as leaves room for the middle one, and for the rest outwards.
CSS = """
.crop-stage { position: absolute; inset: 0; overflow: hidden; }
.crop-frame { position: absolute; box-sizing: border-box; padding: 0; border: 2px solid #fff;
    background: none; cursor: move; outline: 1px solid #000a; outline-offset: 0;
    container-type: size; }
.crop-frame:not([style]) { display: none; }
.crop-frame:focus-visible { border-color: #ffd34d; outline: 3px solid #000; }
.crop-frame.dragged { box-shadow: 0 0 0 9999px #0009; }
.crop-frame span { --x: clamp(0px, 50cqw - 12px, 44px); --y: clamp(0px, 50cqh, 44px);
    --mark: min(14px, 30cqw, 30cqh);
    position: absolute; width: max(24px, var(--x)); height: max(24px, var(--y));
    touch-action: none; }
.crop-frame span::after { content: ""; position: absolute; width: var(--mark); height: var(--mark);
    box-sizing: border-box; background: #fff; border: 1px solid #000a; }
.crop-frame [data-grip$=w] { right: calc(100% - var(--x)); }
.crop-frame [data-grip$=e] { left: calc(100% - var(--x)); }
.crop-frame [data-grip^=n] { bottom: calc(100% - var(--y)); }
.crop-frame [data-grip^=s] { top: calc(100% - var(--y)); }
.crop-frame [data-grip$=w]::after { right: calc(var(--x) - var(--mark) + 2px); }
.crop-frame [data-grip$=e]::after { left: calc(var(--x) - var(--mark) + 2px); }
.crop-frame [data-grip^=n]::after { bottom: calc(var(--y) - var(--mark) + 2px); }
.crop-frame [data-grip^=s]::after { top: calc(var(--y) - var(--mark) + 2px); }
.crop-frame [data-grip=nw], .crop-frame [data-grip=se] { cursor: nwse-resize; }
.crop-frame [data-grip=ne], .crop-frame [data-grip=sw] { cursor: nesw-resize; }
.crop-frame [data-grip=drag] { left: 50%; bottom: 0; transform: translateX(-50%);
    width: min(44px, 100cqw - 2 * var(--x)); height: min(44px, 100cqh); }
.crop-frame [data-grip=drag]::after { left: 50%; bottom: -2px; transform: translateX(-50%);
    width: min(22px, 100cqw - 2 * var(--mark)); height: calc(var(--mark) * 5 / 7); }
"""
_FRAME = st.components.v2.component(
    "plumage_frame",
    html=HTML,
    css=CSS,
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def show_frame(size: tuple[int, int], box: Box | None, picture: str) -> None:
    """Lay the frame over the photo in the container of that key; dragged, it becomes the crop.

    size: of the photo in pixels. box: the frame to draw first, None for the whole photo.
    """

    def follow() -> None:
        crop_to(box_from_browser(st.session_state.frame.box, size))

    st.html(
        f"<style>.st-key-{picture} {{ position: relative; }}"
        f".st-key-{picture} > .st-key-frame {{ position: absolute; inset: 0; }}"
        ".st-key-frame [data-testid=stSkeleton] { display: none; }</style>"
    )
    _FRAME(
        key="frame",
        data={"size": size, "box": box or (0, 0, *size)},
        on_box_change=follow,
    )
