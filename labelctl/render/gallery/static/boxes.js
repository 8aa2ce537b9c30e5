"use strict";

// The boxes on the large picture, and the list of labels next to it. A box is visible while the pointer is on it
// or on its label in the list, while its label has the focus, or while all boxes are shown.

const FEW_BOXES = 6; // up to this many, all names are shown at once
const LIT = [".lit", ":is(:hover, :focus)"];

class Boxes {
  /** `onLabel` is called with the name of a label that was selected in the list. */
  constructor({ frame, boxes, found }, { labels, palette }, { onLabel }) {
    Object.assign(this, { frame, container: boxes, list: found, names: labels, palette, onLabel });
    this.outlined = false; // whether all boxes are visible
    this.printing = false;
  }

  get elements() {
    return [...this.container.children];
  }

  /** Draws the labels of a photo with at least `minConfidence` per cent. */
  draw(photo, minConfidence) {
    const labels = photo.labels
      .filter(([, confidence]) => confidence >= minConfidence)
      .map(([label, confidence, boxes, color]) => ({
        label: this.names[label],
        name: displayName(this.names[label]),
        confidence,
        boxes: boxes.map(clipped).filter(area),
        color: this.palette[color],
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
    const rows = new Map(labels.map((label) => [label, this.labelRow(label)]));
    const drawn = sorted.map((each) => ({ ...each, element: boxElement(each) }));
    for (const { element, labels } of drawn) {
      highlightTogether([element, ...labels.map((label) => rows.get(label))], () => this.placeNames());
    }
    for (const [label, row] of rows) {
      const ownBoxes = drawn.filter((each) => each.labels.includes(label));
      const setTags = (on) => {
        for (const each of ownBoxes) setTag(each.element, on ? [label] : each.labels);
        this.placeNames();
      };
      if (ownBoxes.length) highlightTogether([row, ...ownBoxes.map((each) => each.element)], setTags);
    }
    this.container.replaceChildren(...drawn.map((each) => each.element));
    this.list.replaceChildren(...[...rows.values()].map((row) => createElement("li", {}, row)));
    this.placeNames();
  }

  /** Shows the names of highlighted boxes, and of all boxes if they are visible and few, or printed. A name
   *  without a free position is not shown. Highlighted boxes have priority, and the other names do not move. */
  placeNames() {
    const boxes = this.elements;
    const others = this.printing || (this.outlined && boxes.length <= FEW_BOXES) ? boxes : [];
    const highlighted = LIT.flatMap((which) => boxes.filter((box) => box.matches(which)));
    const visible = contentRect(this.frame.parentElement);
    const areas = [intersection(this.frame.getBoundingClientRect(), visible), visible];
    const positions = new Map([...highlighted, ...others].map((box) => [box, tagPositions(box, areas)]));
    const resting = placeTags(others, (box) => positions.get(box));
    const named = placeTags(new Set([...highlighted, ...resting.keys()]), (box) =>
      resting.has(box) ? [resting.get(box)] : positions.get(box),
    );
    for (const box of boxes) {
      box.classList.toggle("named", named.has(box));
      if (named.has(box)) moveTag(box, named.get(box));
    }
  }

  /** A row of the label list, which highlights the label's boxes, and filters the photos by the label. */
  labelRow({ label, name, confidence, boxes, color }) {
    const row = createElement("button", {
      className: "label",
      type: "button",
      title: `Show all photos with ${name}`,
      onclick: () => this.onLabel(label),
    });
    const bar = createElement("span", { className: "confidence" });
    bar.style.setProperty("--share", confidence / 100);
    row.append(
      createElement("span", { className: "name", dir: "auto" }, name),
      createElement("span", { className: "percent" }, percent(confidence)),
      bar,
    );
    if (boxes.length) {
      row.append(createElement("span", { className: "boxed" }, counted(boxes.length, "box", "boxes")));
      row.classList.add("has-boxes");
      setColor(row, color);
    }
    return row;
  }
}

const area = ([, , width, height]) => width * height;

/** Clips a box to the picture: some extend beyond it. */
function clipped([left, top, width, height]) {
  const within = (share) => Math.min(Math.max(share, 0), 1);
  const [x, y] = [within(left), within(top)];
  return [x, y, within(left + width) - x, within(top + height) - y];
}

function boxElement({ box: [left, top, width, height], labels }) {
  // Not focusable: keyboard users reach a box through its label in the list.
  const element = createElement(
    "button",
    { className: "box", type: "button", tabIndex: -1 },
    createElement("span", { className: "tag", dir: "auto" }),
  );
  setTag(element, labels);
  for (const [side, share] of Object.entries({ left, top, width, height })) {
    element.style[side] = `${share * 100}%`;
  }
  return element;
}

/** Sets a box's name and colour to those of the given labels: all that share the box, or the highlighted one. */
function setTag(element, labels) {
  element.firstElementChild.textContent = labels.map(({ name }) => name).join(", ");
  setColor(element, labels[0].color);
}

/** Sets the colour of a label, and that of text on it. */
function setColor(element, [fill, ink]) {
  element.style.setProperty("--fill", fill);
  element.style.setProperty("--ink-on-fill", ink);
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
