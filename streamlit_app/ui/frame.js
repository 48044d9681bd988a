// The frame on a photo: moved and resized by mouse, finger and keyboard.
//
// data: size, of the photo in pixels; box, the frame's left, top, right and bottom in it. The
// trigger `box` tells the frame as it was left. A frame that has been touched is a square.

const KEYS_REST = 300; // milliseconds after the last key
const SMALLEST = 1 / 16; // of the photo's shorter side

const between = (low, value, high) => Math.min(Math.max(value, low), high);

/** The box, or where it is no square the largest one in its middle. */
function squared([left, top, right, bottom]) {
    const side = Math.min(right - left, bottom - top);
    const x = (left + right - side) / 2, y = (top + bottom - side) / 2;
    return [x, y, x + side, y + side];
}

/** The square box moved by dx and dy pixels, as far as the photo reaches. */
function moved(box, dx, dy, [width, height]) {
    const [left, top, right] = squared(box), side = right - left;
    const x = between(0, left + dx, width - side), y = between(0, top + dy, height - side);
    return [x, y, x + side, y + side];
}

/** The square box around the same middle, `times` as large. */
function scaled(box, times, [width, height]) {
    const [left, top, right] = squared(box), short = Math.min(width, height);
    const side = between(short * SMALLEST, (right - left) * times, short);
    const grown = (side - (right - left)) / 2;
    const x = between(0, left - grown, width - side), y = between(0, top - grown, height - side);
    return [x, y, x + side, y + side];
}

/** The square from the corner opposite to the one that is dragged, to about the point. */
function stretched([left, top, right, bottom], corner, [x, y], [width, height]) {
    const west = corner.includes("w"), north = corner.includes("n");
    const fixedX = west ? right : left, fixedY = north ? bottom : top;
    const wanted = Math.max(west ? fixedX - x : x - fixedX, north ? fixedY - y : y - fixedY);
    const room = Math.min(west ? fixedX : width - fixedX, north ? fixedY : height - fixedY);
    const side = Math.min(Math.max(wanted, Math.min(width, height) * SMALLEST), room);
    const newLeft = west ? fixedX - side : fixedX, newTop = north ? fixedY - side : fixedY;
    return [newLeft, newTop, newLeft + side, newTop + side];
}

export default function ({ data, parentElement, setTriggerValue }) {
    const stage = parentElement.querySelector(".crop-stage");
    const frame = parentElement.querySelector(".crop-frame");
    let box = data.box, timer;

    const draw = () => {
        const [width, height] = data.size, [left, top, right, bottom] = box;
        Object.assign(frame.style, {
            left: `${(100 * left) / width}%`, top: `${(100 * top) / height}%`,
            width: `${(100 * (right - left)) / width}%`,
            height: `${(100 * (bottom - top)) / height}%`,
        });
    };
    const tell = () => setTriggerValue("box", box.map(Math.round));
    const at = (event) => {
        const place = stage.getBoundingClientRect();
        return [(event.clientX - place.left) * data.size[0] / place.width,
            (event.clientY - place.top) * data.size[1] / place.height];
    };

    frame.onpointerdown = (event) => {
        const grip = event.target.dataset.grip;
        // A finger that is not on a grip scrolls the page.
        if (event.button !== 0 || (!grip && event.pointerType !== "mouse")) return;
        const first = at(event), before = box;
        const follow = (next) => {
            const point = at(next);
            box = grip && grip !== "drag"
                ? stretched(before, grip, point, data.size)
                : moved(before, point[0] - first[0], point[1] - first[1], data.size);
            frame.classList.add("dragged");
            draw();
        };
        const leave = () => {
            window.removeEventListener("pointermove", follow);
            window.removeEventListener("pointerup", leave);
            window.removeEventListener("pointercancel", leave);
            frame.classList.remove("dragged");
            if (box !== before) tell();
        };
        window.addEventListener("pointermove", follow);
        window.addEventListener("pointerup", leave);
        window.addEventListener("pointercancel", leave);
    };

    frame.onkeydown = (event) => {
        const step = Math.min(...data.size) / 20;
        const change = {
            ArrowLeft: () => moved(box, -step, 0, data.size),
            ArrowRight: () => moved(box, step, 0, data.size),
            ArrowUp: () => moved(box, 0, -step, data.size),
            ArrowDown: () => moved(box, 0, step, data.size),
            "-": () => scaled(box, 0.9, data.size),
            "+": () => scaled(box, 1 / 0.9, data.size),
            "=": () => scaled(box, 1 / 0.9, data.size),
        }[event.key];
        if (!change) return;
        event.preventDefault();
        box = change();
        draw();
        clearTimeout(timer);
        timer = setTimeout(tell, KEYS_REST);
    };

    draw();
    return () => clearTimeout(timer);
}
