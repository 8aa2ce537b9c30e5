"use strict";

// The large picture with its boxes, and the labels next to it.

const PARTS = "frame preview picture boxes missing back next position outline details when state found".split(" ");
const FEW_BOXES = 6; // up to this many, all names are shown at once
const LIT = [".lit", ":is(:hover, :focus)"];
const SWIPE = 40; // minimum length of a swipe in pixels

class Viewer {
  constructor(dialog, index, { onShow, onClose }) {
    Object.assign(this, { dialog, index, onShow, onClose, photos: [], position: 0, minConfidence: 0 });
    let touchStart = 0;
    const find = (selector) => dialog.querySelector(selector);
    this.parts = Object.fromEntries(PARTS.map((name) => [name, find(`.${name}`)]));
    this.heading = find("h2");
    this.parts.back.onclick = () => this.step(-1);
    this.parts.next.onclick = () => this.step(1);
    this.parts.outline.onclick = () => this.outline(!dialog.classList.contains("outlined"));
    find(".close").onclick = () => dialog.close();
    dialog.addEventListener("close", () => this.onClose(this.photo));
    dialog.addEventListener("keydown", (event) => this.key(event));
    const stage = find(".stage");
    const onTouch = (event, act) =>
      stage.addEventListener(event, (touch) => touch.pointerType === "touch" && touch.isPrimary && act(touch));
    onTouch("pointerdown", ({ clientX }) => (touchStart = clientX));
    onTouch("pointerup", ({ clientX }) => this.swipe(clientX - touchStart));
    visualViewport.addEventListener("resize", () => dialog.classList.toggle("zoomed", visualViewport.scale > 1));
    // Runs before painting when the window or the picture changes its size.
    const resizeObserver = new ResizeObserver(() => this.nameBoxes());
    for (const each of [stage, this.parts.frame]) resizeObserver.observe(each);
    this.parts.picture.onload = () => this.pictureLoaded();
    this.parts.picture.onerror = () => this.pictureFailed();
  }

  get photo() {
    return this.photos[this.position];
  }

  /** Shows one of `photos`, with its labels of at least `minConfidence` per cent. */
  open(photos, position, minConfidence) {
    Object.assign(this, { photos, position, minConfidence });
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

  /** Handles a horizontal swipe. For a pan or zoom the browser sends pointercancel instead. */
  swipe(distance) {
    if (Math.abs(distance) >= SWIPE) this.step(distance < 0 ? 1 : -1);
  }

  outline(all) {
    this.dialog.classList.toggle("outlined", all);
    this.parts.outline.ariaPressed = String(all);
    this.nameBoxes();
  }

  draw() {
    const { photo, parts } = this;
    const name = displayName(photo.image);
    this.heading.textContent = name;
    parts.when.textContent = photo.at ? formatDate(photo.at) : "";
    const labelled = photo.status === "labelled"; // its picture may still be missing, for a reason that is shown
    parts.state.hidden = labelled && !stateText(photo);
    parts.state.className = `state ${photo.status}`;
    parts.state.replaceChildren(
      icon(labelled ? "photo" : photo.status),
      ...(labelled ? [] : [createElement("strong", {}, STATES[photo.status])]),
      stateText(photo),
    );
    // Screen readers announce the name together with the position.
    parts.position.replaceChildren(
      createElement("span", { className: "visually-hidden" }, `${name}, `),
      `${formatNumber(this.position + 1)} of ${formatNumber(this.photos.length)}`,
    );
    parts.back.disabled = this.position === 0;
    parts.next.disabled = this.position === this.photos.length - 1;
    if (document.activeElement.disabled) this.heading.focus(); // a disabled button gets no key events
    this.drawPicture();
    this.drawLabels();
    parts.details.scrollTop = 0;
    this.onShow(photo);
  }

  drawPicture() {
    const { photo, parts } = this;
    const full = urlOf(photo.full ?? photo.thumb);
    parts.frame.hidden = !full;
    parts.missing.hidden = Boolean(full);
    parts.missing.querySelector("p").textContent = "No picture available.";
    parts.frame.classList.remove("loaded");
    parts.picture.alt = displayName(photo.image);
    this.setShape(photo.width, photo.height);
    for (const [image, source] of [
      [parts.preview, photo.full && urlOf(photo.thumb)],
      [parts.picture, full],
    ]) {
      image.removeAttribute("src"); // never show the previous picture with the new boxes
      if (source) image.src = source;
    }
  }

  /** Gives the frame the picture's aspect ratio, because boxes are positioned relative to it. */
  setShape(width, height) {
    this.parts.frame.style.setProperty("--width", width || 1200);
    this.parts.frame.style.setProperty("--ratio", (width || 3) / (height || 2));
  }

  pictureLoaded() {
    const { naturalWidth, naturalHeight } = this.parts.picture;
    if (this.photo.full) this.setShape(naturalWidth, naturalHeight);
    this.parts.frame.classList.add("loaded");
  }

  pictureFailed() {
    this.parts.frame.hidden = !this.photo.thumb;
    this.parts.missing.hidden = false;
    this.parts.missing.querySelector("p").textContent =
      "The large picture could not be loaded. Its file may be missing, or its link may have expired.";
  }

  drawLabels() {
    const labels = this.photo.labels
      .filter(([, confidence]) => confidence >= this.minConfidence)
      .map(([label, confidence, boxes]) => ({
        name: displayName(this.index.labels[label]),
        confidence,
        boxes: boxes.map(clipped).filter(area),
      }));
    // Several labels often share one box (Person, Adult): draw it once, with all their names.
    const shared = new Map();
    for (const label of labels) {
      for (const box of label.boxes) {
        const key = box.join();
        if (!shared.has(key)) shared.set(key, { box, labels: [] });
        shared.get(key).labels.push(label);
      }
    }
    // Small boxes last, so that they lie above larger ones around them.
    const sorted = [...shared.values()].sort((one, other) => area(other.box) - area(one.box));
    const rows = new Map(labels.map((label) => [label, labelRow(label)]));
    const drawn = sorted.map((each) => ({ ...each, element: boxElement(each) }));
    for (const { element, labels } of drawn) {
      highlightTogether([element, ...labels.map((label) => rows.get(label))], () => this.nameBoxes());
    }
    for (const [label, row] of rows) {
      const ownBoxes = drawn.filter((each) => each.labels.includes(label));
      const setTags = (on) => {
        for (const each of ownBoxes) setTagText(each.element, on ? [label] : each.labels);
        this.nameBoxes();
      };
      if (ownBoxes.length) highlightTogether([row, ...ownBoxes.map((each) => each.element)], setTags);
    }
    this.parts.boxes.replaceChildren(...drawn.map((each) => each.element));
    this.nameBoxes();
    this.parts.found.replaceChildren(...[...rows.values()].map((row) => createElement("li", {}, row)));
    this.parts.outline.hidden = !drawn.length;
  }

  /** Shows the names of highlighted boxes, and of all boxes if they are outlined and few. A name without a
   *  free position is not shown. Highlighted boxes have priority, and the other names do not move. */
  nameBoxes() {
    const boxes = [...this.parts.boxes.children];
    const few = this.dialog.classList.contains("outlined") && boxes.length <= FEW_BOXES;
    const highlighted = LIT.flatMap((which) => boxes.filter((box) => box.matches(which)));
    const areas = [this.parts.frame.getBoundingClientRect(), contentRect(this.parts.frame.parentElement)];
    const positions = new Map([...highlighted, ...(few ? boxes : [])].map((box) => [box, tagPositions(box, areas)]));
    const resting = placeTags(few ? boxes : [], (box) => positions.get(box));
    const named = placeTags(new Set([...highlighted, ...resting.keys()]), (box) =>
      resting.has(box) ? [resting.get(box)] : positions.get(box),
    );
    for (const box of boxes) {
      box.classList.toggle("named", named.has(box));
      if (named.has(box)) moveTag(box, named.get(box));
    }
  }
}

const area = ([, , width, height]) => width * height;

/** Clips a box to the picture: some extend beyond it. */
function clipped([left, top, width, height]) {
  const within = (share) => Math.min(Math.max(share, 0), 1);
  const [x, y] = [within(left), within(top)];
  return [x, y, within(left + width) - x, within(top + height) - y];
}

/** A row of the label list. It can be focused if it has boxes, to highlight them. */
function labelRow({ name, confidence, boxes }) {
  const row = createElement(boxes.length ? "button" : "div", { className: "label" });
  const bar = createElement("span", { className: "confidence" });
  bar.style.setProperty("--share", confidence / 100);
  row.append(
    createElement("span", { className: "name", dir: "auto" }, name),
    createElement("span", { className: "percent" }, percent(confidence)),
    bar,
  );
  if (boxes.length) row.append(createElement("span", { className: "boxed" }, counted(boxes.length, "box", "boxes")));
  return row;
}

function boxElement({ box: [left, top, width, height], labels }) {
  // Not focusable: keyboard users reach a box through its label in the list.
  const element = createElement(
    "button",
    { className: "box", type: "button", tabIndex: -1 },
    createElement("span", { className: "tag", dir: "auto" }),
  );
  setTagText(element, labels);
  for (const [side, share] of Object.entries({ left, top, width, height })) {
    element.style[side] = `${share * 100}%`;
  }
  return element;
}

/** Sets a box's tag to the given labels: all that share the box, or the highlighted one. */
function setTagText(element, labels) {
  element.firstElementChild.textContent = labels.map(({ name }) => name).join(", ");
}

/** Highlights all elements while the first is hovered or focused, and calls `also`. */
function highlightTogether(all, also = () => {}) {
  const highlight = (on) => {
    for (const each of all) each.classList.toggle("lit", on);
    also(on);
  };
  for (const event of ["pointerenter", "focus"]) all[0].addEventListener(event, () => highlight(true));
  for (const event of ["pointerleave", "blur"]) all[0].addEventListener(event, () => highlight(false));
}
