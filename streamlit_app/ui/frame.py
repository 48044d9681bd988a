"""The frame on a photo that says what to look at, dragged by mouse, finger or keyboard."""

from pathlib import Path

import streamlit as st

from streamlit_app.ui.cropping import Box, box_from_browser
from streamlit_app.ui.photo import crop_to

HTML = """<div class="crop-stage">
<button type="button" class="crop-frame" aria-label="Frame to look at: arrow keys move it, plus and
 minus resize it">
<span data-grip="nw"></span><span data-grip="ne"></span><span data-grip="move"></span>
<span data-grip="sw"></span><span data-grip="se"></span>
</button></div>"""
# The frame is seen once the script has drawn it. A grip takes a fingertip, though little of it is
# seen. Fingers elsewhere scroll the page.
CSS = """
.crop-stage { position: absolute; inset: 0; overflow: hidden; }
.crop-frame { position: absolute; box-sizing: border-box; padding: 0; border: 2px solid #fff;
    background: none; cursor: move; outline: 1px solid #000a; outline-offset: 0; }
.crop-frame:not([style]) { display: none; }
.crop-frame:focus-visible { border-color: #ffd34d; outline: 3px solid #000; }
.crop-frame.dragged { box-shadow: 0 0 0 9999px #0009; }
.crop-frame span { position: absolute; width: 44px; height: 44px; touch-action: none; }
.crop-frame span::after { content: ""; position: absolute; width: 14px; height: 14px;
    background: #fff; border: 1px solid #000a; }
.crop-frame [data-grip=nw] { left: -2px; top: -2px; cursor: nwse-resize; }
.crop-frame [data-grip=ne] { right: -2px; top: -2px; cursor: nesw-resize; }
.crop-frame [data-grip=sw] { left: -2px; bottom: -2px; cursor: nesw-resize; }
.crop-frame [data-grip=se] { right: -2px; bottom: -2px; cursor: nwse-resize; }
.crop-frame [data-grip=move] { left: calc(50% - 22px); bottom: -2px; }
.crop-frame [data-grip=move]::after { left: 11px; bottom: 0; width: 22px; height: 10px; }
.crop-frame [data-grip=nw]::after, .crop-frame [data-grip=sw]::after { left: 0; }
.crop-frame [data-grip=nw]::after, .crop-frame [data-grip=ne]::after { top: 0; }
.crop-frame [data-grip=ne]::after, .crop-frame [data-grip=se]::after { right: 0; }
.crop-frame [data-grip=sw]::after, .crop-frame [data-grip=se]::after { bottom: 0; }
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
