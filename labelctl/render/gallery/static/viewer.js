"use strict";

// The large picture with its boxes, and the labels beside it.

const PARTS = "frame preview picture boxes missing back next place outline told when state found".split(" ");
const FEW_BOXES = 6; // up to so many, all names are shown at once
const LIT = [".lit", ":is(:hover, :focus)"]; // what is pointed at now comes first
const SWIPE = 40; // pixels that a finger goes to the side, at the least

class Viewer {
  constructor(dialog, album, { onShow, onClose }) {
    Object.assign(this, { dialog, album, onShow, onClose, photos: [], position: 0, least: 0, touched: 0 });
    const part = (selector) => dialog.querySelector(selector);
    this.parts = Object.fromEntries(PARTS.map((name) => [name, part(`.${name}`)]));
    this.heading = part("h2");
    this.parts.back.onclick = () => this.step(-1);
    this.parts.next.onclick = () => this.step(1);
    this.parts.outline.onclick = () => this.outline(!dialog.classList.contains("outlined"));
    part(".close").onclick = () => dialog.close();
    dialog.addEventListener("close", () => this.onClose(this.photo));
    dialog.addEventListener("keydown", (event) => this.key(event));
    const stage = part(".stage");
    const onFinger = (event, act) =>
      stage.addEventListener(event, (touch) => touch.pointerType === "touch" && touch.isPrimary && act(touch));
    onFinger("pointerdown", ({ clientX }) => (this.touched = clientX));
    onFinger("pointerup", ({ clientX }) => this.swipe(clientX - this.touched));
    visualViewport.addEventListener("resize", () => dialog.classList.toggle("zoomed", visualViewport.scale > 1));
    // Told before anything is painted: of a window that changes, and of a picture of another shape.
    const watch = new ResizeObserver(() => this.nameBoxes());
    for (const each of [stage, this.parts.frame]) watch.observe(each);
    this.parts.picture.onload = () => this.arrived();
    this.parts.picture.onerror = () => this.lost();
  }

  get photo() {
    return this.photos[this.position];
  }

  /** Shows a photo among others, with its labels that are sure enough: `least` is in per cent. */
  open(photos, position, least) {
    Object.assign(this, { photos, position, least });
    if (!this.dialog.open) this.dialog.showModal();
    this.draw();
  }

  step(by) {
    const position = this.position + by;
    if (position < 0 || position >= this.photos.length) return;
    this.position = position;
    this.draw();
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const last = this.photos.length - 1;
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -this.position, End: last - this.position }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      this.step(by);
    } else if (event.key === "b") {
      this.parts.outline.click();
    }
  }

  /** A finger that goes to the side; the browser takes it back (pointercancel) for a pan or a zoom. */
  swipe(way) {
    if (Math.abs(way) >= SWIPE) this.step(way < 0 ? 1 : -1);
  }

  outline(all) {
    this.dialog.classList.toggle("outlined", all);
    this.parts.outline.ariaPressed = String(all);
    this.nameBoxes();
  }

  draw() {
    const { photo, parts } = this;
    const name = shown(photo.image);
    this.heading.textContent = name;
    parts.when.textContent = photo.at ? moment(photo.at) : "";
    const labelled = photo.status === "labelled"; // even then a picture may be missing, for a reason
    parts.state.hidden = labelled && !stateOf(photo);
    parts.state.className = `state ${photo.status}`;
    parts.state.replaceChildren(
      icon(labelled ? "photo" : photo.status),
      ...(labelled ? [] : [make("strong", {}, STATES[photo.status])]),
      stateOf(photo),
    );
    // The position is seen, and said together with the name.
    parts.place.replaceChildren(
      make("span", { className: "unseen" }, `${name}, `),
      `${grouped(this.position + 1)} of ${grouped(this.photos.length)}`,
    );
    parts.back.disabled = this.position === 0;
    parts.next.disabled = this.position === this.photos.length - 1;
    if (document.activeElement.disabled) this.heading.focus(); // keys are lost on what is disabled
    this.drawPicture();
    this.drawLabels();
    parts.told.scrollTop = 0;
    this.onShow(photo);
  }

  drawPicture() {
    const { photo, parts } = this;
    const full = address(photo.full ?? photo.thumb);
    parts.frame.hidden = !full;
    parts.missing.hidden = Boolean(full);
    parts.missing.querySelector("p").textContent = "There is no picture to show.";
    parts.frame.classList.remove("arrived");
    parts.picture.alt = shown(photo.image);
    this.shape(photo.width, photo.height);
    for (const [image, source] of [
      [parts.preview, photo.full && address(photo.thumb)],
      [parts.picture, full],
    ]) {
      image.removeAttribute("src"); // the one before must not be seen with these boxes
      if (source) image.src = source;
    }
  }

  /** The frame gets the picture's own shape, so that boxes (shares of the picture) are shares of it. */
  shape(width, height) {
    this.parts.frame.style.setProperty("--width", width || 1200);
    this.parts.frame.style.setProperty("--ratio", (width || 3) / (height || 2));
  }

  arrived() {
    const { naturalWidth, naturalHeight } = this.parts.picture;
    if (this.photo.full) this.shape(naturalWidth, naturalHeight);
    this.parts.frame.classList.add("arrived");
  }

  lost() {
    this.parts.frame.hidden = !this.photo.thumb;
    this.parts.missing.hidden = false;
    this.parts.missing.querySelector("p").textContent =
      "The large picture could not be loaded. Its file or its link may be gone.";
  }

  drawLabels() {
    const labels = this.photo.labels
      .filter(([, sure]) => sure >= this.least)
      .map(([label, sure, boxes]) => ({
        name: shown(this.album.labels[label]),
        sure,
        boxes: boxes.map(clipped).filter(area),
      }));
    // Several labels often share one box (a person, her head): it is drawn once, with all their names.
    const shared = new Map();
    for (const label of labels) {
      for (const box of label.boxes) {
        const key = box.join();
        if (!shared.has(key)) shared.set(key, { box, labels: [] });
        shared.get(key).labels.push(label);
      }
    }
    // Small ones last, so that they lie above those around them.
    const sorted = [...shared.values()].sort((one, other) => area(other.box) - area(one.box));
    const rows = new Map(labels.map((label) => [label, labelRow(label)]));
    const drawn = sorted.map((each) => ({ ...each, element: boxElement(each) }));
    for (const { element, labels } of drawn) {
      lightTogether([element, ...labels.map((label) => rows.get(label))], () => this.nameBoxes());
    }
    for (const [label, row] of rows) {
      const its = drawn.filter((each) => each.labels.includes(label));
      const name = (on) => {
        for (const each of its) tell(each.element, on ? [label] : each.labels);
        this.nameBoxes();
      };
      if (its.length) lightTogether([row, ...its.map((each) => each.element)], name);
    }
    this.parts.boxes.replaceChildren(...drawn.map((each) => each.element));
    this.nameBoxes();
    this.parts.found.replaceChildren(...[...rows.values()].map((row) => make("li", {}, row)));
    this.parts.outline.hidden = !drawn.length;
  }

  /** Shows the names of lit boxes, and of all that are outlined if they are few: each where it covers no
   *  other one, or not at all. Whatever is lit comes first, and the others stay where they are. */
  nameBoxes() {
    const boxes = [...this.parts.boxes.children];
    const few = this.dialog.classList.contains("outlined") && boxes.length <= FEW_BOXES;
    const lit = LIT.flatMap((which) => boxes.filter((box) => box.matches(which)));
    const areas = [this.parts.frame.getBoundingClientRect(), inner(this.parts.frame.parentElement)];
    const spots = new Map([...lit, ...(few ? boxes : [])].map((box) => [box, spotsOf(box, areas)]));
    const resting = settle(few ? boxes : [], (box) => spots.get(box));
    const named = settle(new Set([...lit, ...resting.keys()]), (box) =>
      resting.has(box) ? [resting.get(box)] : spots.get(box),
    );
    for (const box of boxes) {
      box.classList.toggle("named", named.has(box));
      if (named.has(box)) moveTag(box, named.get(box));
    }
  }
}

const area = ([, , width, height]) => width * height;

/** The part of a box that is on the picture: some reach beyond it. */
function clipped([left, top, width, height]) {
  const within = (share) => Math.min(Math.max(share, 0), 1);
  const [x, y] = [within(left), within(top)];
  return [x, y, within(left + width) - x, within(top + height) - y];
}

/** A label of the list: one that has boxes can be reached by keyboard, to see them. */
function labelRow({ name, sure, boxes }) {
  const row = make(boxes.length ? "button" : "div", { className: "label" });
  const bar = make("span", { className: "sure" });
  bar.style.setProperty("--share", sure / 100);
  row.append(
    make("span", { className: "name", dir: "auto" }, name),
    make("span", { className: "percent" }, percent(sure)),
    bar,
  );
  if (boxes.length) row.append(make("span", { className: "boxed" }, counted(boxes.length, "box", "boxes")));
  return row;
}

function boxElement({ box: [left, top, width, height], labels }) {
  // Out of the keyboard's way: each box is reached by its label in the list.
  const element = make(
    "button",
    { className: "box", type: "button", tabIndex: -1 },
    make("span", { className: "tag", dir: "auto" }),
  );
  tell(element, labels);
  for (const [side, share] of Object.entries({ left, top, width, height })) {
    element.style[side] = `${share * 100}%`;
  }
  return element;
}

/** Names a box: with all the labels that share it, or with the one that is pointed at. */
function tell(element, labels) {
  element.firstElementChild.textContent = labels.map(({ name }) => name).join(", ");
}

/** Pointing at the first, or coming to it by keyboard, lights them all. */
function lightTogether(all, also = () => {}) {
  const light = (on) => {
    for (const each of all) each.classList.toggle("lit", on);
    also(on);
  };
  for (const event of ["pointerenter", "focus"]) all[0].addEventListener(event, () => light(true));
  for (const event of ["pointerleave", "blur"]) all[0].addEventListener(event, () => light(false));
}
