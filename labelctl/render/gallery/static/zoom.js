"use strict";

// Zooming and moving the large picture: wheel, touch, mouse and double click. The frame around the picture changes
// its size instead of being scaled, so that lines of boxes and names on the picture keep their size.

const MAX_SCALE = 8; // times the size at which the whole picture is visible
const STEP = 1.5; // of the keys + and -
const DOUBLE_CLICK = { pause: 400, distance: 30, scale: 2.5 }; // milliseconds, pixels, times the size of the whole picture
const CLICK = 6; // a pointer that moves more than this many pixels drags
const SWIPE = 40; // minimum length of a swipe in pixels
const PAN = 80; // pixels by which the keys move the picture
const WHEEL_LINE = 16; // pixels of a line, for browsers that count lines [UI Events, WheelEvent.deltaMode]

class Zoom {
  /** `onChange` is called after each change of the picture's size or place, `onLevel` when its size has been changed
   *  by the user, and `onSwipe` with -1 or 1. */
  constructor(stage, frame, { onChange, onLevel, onSwipe }) {
    Object.assign(this, { stage, frame, onChange, onLevel, onSwipe });
    Object.assign(this, { scale: 1, x: 0, y: 0, swiped: 0 }); // the place in pixels from the middle of the stage
    this.pointers = new Map(); // pressed pointers: id → position
    this.lastClick = null;
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.press(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.release(event, true));
    stage.addEventListener("pointercancel", (event) => this.release(event, false));
    // While the page itself is zoomed, as the panel beside the picture permits, touches move the page: the browser
    // then sends pointercancel.
    visualViewport.addEventListener("resize", () => stage.classList.toggle("page-zoomed", visualViewport.scale > 1));
    // Runs before painting when the window or the picture changes its size.
    const resizeObserver = new ResizeObserver(() => this.place());
    for (const each of [stage, frame]) resizeObserver.observe(each);
  }

  get isZoomed() {
    return this.scale > 1;
  }

  /** The picture's width in its own pixels. */
  get naturalWidth() {
    return Number(this.frame.style.getPropertyValue("--width"));
  }

  /** The frame's width and height when the whole picture is visible, as in the style sheet. */
  get fit() {
    const { left, top, right, bottom } = this.room;
    const ratio = Number(this.frame.style.getPropertyValue("--ratio"));
    const maxWidth = Number(this.frame.style.getPropertyValue("--max-width"));
    const width = Math.min(right - left, (bottom - top) * ratio, maxWidth);
    return { width, height: width / ratio };
  }

  /** The scale at which each pixel of the picture has the size of a CSS pixel. */
  get fullScale() {
    return this.naturalWidth / this.fit.width;
  }

  /** Shows the whole picture. */
  reset() {
    Object.assign(this, { scale: 1, x: 0, y: 0, swiped: 0 });
    this.glide(false);
    this.place();
  }

  /** Changes the size, and moves the point of the picture that is at `from` to `to`. By default, both are the middle
   *  of the stage. */
  zoomTo(scale, to = this.middle, from = to) {
    if (this.frame.hidden) return;
    const before = this.scale;
    this.scale = Math.min(Math.max(scale, 1), Math.max(MAX_SCALE, this.fullScale));
    const growth = this.scale / before;
    const { x, y } = this.middle;
    this.x = to.x - x - (from.x - x - this.x) * growth;
    this.y = to.y - y - (from.y - y - this.y) * growth;
    this.place();
    this.onLevel(`${formatNumber(Math.round((100 * this.scale) / this.fullScale))} %`);
  }

  /** The same, animated. */
  glideTo(scale, point) {
    this.glide(true);
    this.zoomTo(scale, point);
  }

  zoomIn() {
    this.glideTo(this.scale * STEP);
  }

  zoomOut() {
    this.glideTo(this.scale / STEP);
  }

  zoomOff() {
    this.glideTo(1);
  }

  glide(on) {
    this.stage.classList.toggle("gliding", on);
  }

  /** Moves the visible part of the picture: 1 to the right or downwards, -1 to the left or upwards. */
  pan(right, down) {
    this.glide(true);
    this.x -= right * PAN;
    this.y -= down * PAN;
    this.place();
  }

  get room() {
    return contentRect(this.stage);
  }

  get middle() {
    const { left, top, right, bottom } = this.room;
    return { x: (left + right) / 2, y: (top + bottom) / 2 };
  }

  /** Positions the frame: never with an empty margin on one side while the picture is cut off on the other. */
  place() {
    const { style } = this.frame;
    const { left, top, right, bottom } = this.room;
    const { width, height } = this.fit;
    const maxX = Math.max(width * this.scale - (right - left), 0) / 2;
    const maxY = Math.max(height * this.scale - (bottom - top), 0) / 2;
    this.x = Math.min(Math.max(this.x, -maxX), maxX);
    this.y = Math.min(Math.max(this.y, -maxY), maxY);
    style.setProperty("--scale", this.scale);
    style.setProperty("--x", `${this.x + this.swiped}px`);
    style.setProperty("--y", `${this.y}px`);
    this.stage.classList.toggle("zoomed", this.isZoomed);
    this.onChange();
  }

  wheel(event) {
    event.preventDefault(); // with Ctrl, or two fingers on a trackpad, the browser would zoom the page
    this.glide(false);
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : WHEEL_LINE;
    const distance = Math.min(Math.max(event.deltaY * unit, -120), 120);
    // Browsers report a pinch on a trackpad as a wheel with Ctrl, in small steps.
    const speed = event.ctrlKey && Math.abs(distance) < 50 ? 0.01 : 0.002;
    this.zoomTo(this.scale * Math.exp(-distance * speed), { x: event.clientX, y: event.clientY });
  }

  press(event) {
    if (event.target.closest(".toolbar, .round") || event.button !== 0) return;
    this.glide(false);
    if (!this.pointers.size) this.gesture = { start: pointOf(event), dragged: false, pinched: false };
    this.pointers.set(event.pointerId, pointOf(event));
    if (this.pointers.size > 1) Object.assign(this.gesture, { pinched: true, dragged: true });
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    const now = pointOf(event);
    if (!this.gesture.dragged && distance(this.gesture.start, now) > CLICK) {
      this.gesture.dragged = true;
      this.stage.setPointerCapture(event.pointerId);
      this.stage.classList.add("dragged");
    }
    if (!this.gesture.dragged) return;
    this.pointers.set(event.pointerId, now);
    if (others.length) this.pinch(others[0], before, now);
    else if (this.isZoomed || this.gesture.pinched) this.drag(now.x - before.x, now.y - before.y);
    else if (event.pointerType === "touch") this.follow(now.x - this.gesture.start.x);
  }

  /** One of two fingers moves from `before` to `now`, while the `other` one rests. */
  pinch(other, before, now) {
    const between = (one) => ({ x: (other.x + one.x) / 2, y: (other.y + one.y) / 2 });
    const growth = distance(other, now) / Math.max(distance(other, before), 1);
    this.zoomTo(this.scale * growth, between(now), between(before));
  }

  drag(right, down) {
    this.x += right;
    this.y += down;
    this.place();
  }

  /** Moves the whole picture along with a finger that may become a swipe. */
  follow(right) {
    this.swiped = right;
    this.place();
  }

  release(event, completed) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return;
    const { start, dragged, pinched } = this.gesture;
    const end = pointOf(event);
    this.stage.classList.remove("dragged");
    if (this.swiped) this.follow(0);
    if (!completed) return;
    if (!dragged) this.click(end, event.timeStamp);
    else if (event.pointerType === "touch" && !pinched && !this.isZoomed) this.swipe(end.x - start.x, end.y - start.y);
  }

  swipe(right, down) {
    if (Math.abs(right) >= SWIPE && Math.abs(right) > Math.abs(down)) this.onSwipe(right < 0 ? 1 : -1);
  }

  /** The second of two clicks or taps changes between the whole picture and its pixels, or a multiple of it. */
  click(point, time) {
    const { pause, distance: near, scale } = DOUBLE_CLICK;
    const last = this.lastClick;
    this.lastClick = { point, time };
    if (!last || time - last.time > pause || distance(last.point, point) > near) return;
    this.lastClick = null;
    if (this.isZoomed) this.zoomOff();
    else this.glideTo(this.fullScale > 1.2 ? this.fullScale : scale, point);
  }
}

const pointOf = ({ clientX, clientY }) => ({ x: clientX, y: clientY });
const distance = (one, other) => Math.hypot(one.x - other.x, one.y - other.y);
