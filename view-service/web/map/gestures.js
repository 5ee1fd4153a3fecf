// Mouse, wheel and fingers on the map: one pointer drags, two pinch, the wheel
// zooms, a press without a move is a click. Knows pixels, no seats.

const STILL_PX = 6;

/**
 * Listens on an element and calls `on.pan(dx, dy)`, `on.zoom(factor, x, y)`, `on.hover(x, y)`, `on.leave()`
 * and `on.tap(x, y, isTouch)`, all in CSS pixels from its left top.
 */
export function gestures(element, on) {
  const down = new Map();
  let moved = 0;
  let apart = 0;
  const at = (event) => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const pinch = () => {
    const [[ax, ay], [bx, by]] = [...down.values()];
    return { distance: Math.hypot(ax - bx, ay - by), x: (ax + bx) / 2, y: (ay + by) / 2 };
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    if (!down.size) moved = 0;
    down.set(event.pointerId, at(event));
    element.setPointerCapture(event.pointerId);
    if (down.size === 2) { apart = pinch().distance; moved = Infinity; }
  });

  element.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    const before = down.get(event.pointerId);
    if (!before) return on.hover(x, y);
    if (down.size === 1) {
      moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
      down.set(event.pointerId, [x, y]);
      // A finger that trembles does not move the map.
      if (moved > STILL_PX) on.pan(x - before[0], y - before[1]);
      return;
    }
    const middle = pinch();
    down.set(event.pointerId, [x, y]);
    const now = pinch();
    on.pan(now.x - middle.x, now.y - middle.y);
    if (apart > 0 && now.distance > 0) on.zoom(now.distance / apart, now.x, now.y);
    apart = now.distance;
  });

  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    if (event.type === "pointerup" && !down.size && moved <= STILL_PX) on.tap(...at(event), event.pointerType !== "mouse");
  };
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointerleave", () => { if (!down.size) on.leave(); });

  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    // A wheel turns in lines or pages on some machines; a trackpad pinches with `ctrlKey`.
    const turned = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1);
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    on.zoom(Math.exp(-Math.max(-300, Math.min(300, turned)) * speed), ...at(event));
  }, { passive: false });
}
