"use strict";

// Where the names of boxes go: near their boxes, on the picture if they can, and none over another.

const TAG_GAP = 4; // pixels between a name and its box's line, or another name

/** The part of an element within its padding. */
function inner(element) {
  const box = element.getBoundingClientRect();
  const { paddingLeft, paddingTop, paddingRight, paddingBottom } = getComputedStyle(element);
  const [left, top] = [box.left + parseFloat(paddingLeft), box.top + parseFloat(paddingTop)];
  const [right, bottom] = [box.right - parseFloat(paddingRight), box.bottom - parseFloat(paddingBottom)];
  return { left, top, right, bottom };
}

/** Where a box's name may be, best first: above the box, in it if it has room, below it, and over all of a
 *  small one; within the first area if it fits there. */
function spotsOf(element, areas) {
  const box = element.getBoundingClientRect();
  const { width, height } = element.firstElementChild.getBoundingClientRect();
  const inset = element.clientTop + TAG_GAP; // of those within its line
  const above = [box.top - TAG_GAP - height, 0];
  const below = [box.bottom + TAG_GAP, 0];
  const inside = [box.top + inset, box.bottom - inset - height].map((top) => [top, inset]);
  const roomy = box.width >= width + 2 * inset && box.height >= height + 2 * inset;
  const rows = roomy ? [above, inside[0], below, inside[1]] : [above, below, ...inside];
  const spots = [];
  for (const area of areas) {
    for (const [top, inset] of rows) {
      if (top < area.top || top + height > area.bottom || width > area.right - area.left) continue;
      for (const left of [box.left + inset, box.right - inset - width]) {
        const within = Math.max(Math.min(left, area.right - width), area.left);
        spots.push(new DOMRect(within, top, width, height));
      }
    }
  }
  return spots;
}

/** Gives each box the first of its spots that is free; some stay without. */
function settle(boxes, spots) {
  const settled = new Map();
  for (const box of boxes) {
    const spot = spots(box).find((each) => [...settled.values()].every((other) => apart(each, other)));
    if (spot) settled.set(box, spot);
  }
  return settled;
}

const apart = (one, other) =>
  Math.max(one.left - other.right, other.left - one.right) >= TAG_GAP / 2 ||
  Math.max(one.top - other.bottom, other.top - one.bottom) >= TAG_GAP / 2;

function moveTag(element, { left, top }) {
  const box = element.getBoundingClientRect();
  element.firstElementChild.style.left = `${left - box.left - element.clientLeft}px`;
  element.firstElementChild.style.top = `${top - box.top - element.clientTop}px`;
}
