"use strict";

// Placing the name tags of boxes: near their boxes, on the picture if possible, without overlaps.

const TAG_GAP = 4; // pixels between a name and its box's line, or another name

/** The rectangle of an element within its padding. */
function contentRect(element) {
  const box = element.getBoundingClientRect();
  const { paddingLeft, paddingTop, paddingRight, paddingBottom } = getComputedStyle(element);
  const [left, top] = [box.left + parseFloat(paddingLeft), box.top + parseFloat(paddingTop)];
  const [right, bottom] = [box.right - parseFloat(paddingRight), box.bottom - parseFloat(paddingBottom)];
  return { left, top, right, bottom };
}

const intersection = (one, other) => ({
  left: Math.max(one.left, other.left),
  top: Math.max(one.top, other.top),
  right: Math.min(one.right, other.right),
  bottom: Math.min(one.bottom, other.bottom),
});

/** Candidate positions of a box's tag, best first: above the box, inside it if it is large enough, below it,
 *  or on top of a small box. Positions in the first area come before those in the last, which is the visible one:
 *  of a box that is partly outside of it, only the part inside counts. */
function tagPositions(element, areas) {
  const box = intersection(element.getBoundingClientRect(), areas.at(-1));
  if (box.left >= box.right || box.top >= box.bottom) return [];
  const { width, height } = element.firstElementChild.getBoundingClientRect();
  const inset = element.clientTop + TAG_GAP; // of tags inside the box
  const above = [box.top - TAG_GAP - height, 0];
  const below = [box.bottom + TAG_GAP, 0];
  const inside = [box.top + inset, box.bottom - inset - height].map((top) => [top, inset]);
  const fitsInside = box.right - box.left >= width + 2 * inset && box.bottom - box.top >= height + 2 * inset;
  const rows = fitsInside ? [above, inside[0], below, inside[1]] : [above, below, ...inside];
  const positions = [];
  for (const area of areas) {
    for (const [top, inset] of rows) {
      if (top < area.top || top + height > area.bottom || width > area.right - area.left) continue;
      for (const left of [box.left + inset, box.right - inset - width]) {
        const within = Math.max(Math.min(left, area.right - width), area.left);
        positions.push(new DOMRect(within, top, width, height));
      }
    }
  }
  return positions;
}

/** Assigns each box its first free position. Boxes without one are left out. */
function placeTags(boxes, positions) {
  const placed = new Map();
  for (const box of boxes) {
    const position = positions(box).find((each) => [...placed.values()].every((other) => apart(each, other)));
    if (position) placed.set(box, position);
  }
  return placed;
}

const apart = (one, other) =>
  Math.max(one.left - other.right, other.left - one.right) >= TAG_GAP / 2 ||
  Math.max(one.top - other.bottom, other.top - one.bottom) >= TAG_GAP / 2;

function moveTag(element, { left, top }) {
  const box = element.getBoundingClientRect();
  element.firstElementChild.style.left = `${left - box.left - element.clientLeft}px`;
  element.firstElementChild.style.top = `${top - box.top - element.clientTop}px`;
}
