"use strict";

// The tiles in rows of one height, in one list per group of photos, such as a month. Tiles are added while
// scrolling. Tab reaches one tile, and the arrow keys move from there.

class Grid {
  static CHUNK = 60; // tiles added at a time
  static FEW = 6; // up to this many photos are shown larger

  constructor(element, end, tiles, { onOpen }) {
    Object.assign(this, { element, end, tiles, found: [], groups: [], buttons: [] });
    this.current = null; // the button that Tab reaches
    this.growObserver = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && this.grow(),
      { rootMargin: "1200px" },
    );
    element.addEventListener("focusin", (event) => this.setCurrent(event.target.closest("button")));
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("click", (event) => {
      const photo = tiles.photoOf.get(event.target.closest("button"));
      if (photo) onOpen(photo);
    });
  }

  get shownCount() {
    return this.buttons.length;
  }

  /** Shows the photos that were `found`, in `groups` of a title and a size. */
  draw({ found, hasScores }, groups, minConfidence) {
    Object.assign(this, { found, hasScores, minConfidence, buttons: [], groups: this.startGroups(groups) });
    this.element.hidden = !found.length;
    this.element.classList.toggle("few", found.length <= Grid.FEW);
    this.element.replaceChildren();
    this.grow();
    this.setCurrent(this.buttons.find((button) => button === this.current) ?? this.buttons[0] ?? null);
  }

  /** The groups with the positions where they start and end. */
  startGroups(groups) {
    let end = 0;
    return groups.map(({ title, size }) => ({ title, size, start: end, end: (end += size), list: null }));
  }

  grow(until = this.shownCount + Grid.CHUNK) {
    for (const group of this.groups) {
      if (group.end <= this.shownCount) continue;
      if (group.start >= until) break;
      if (!group.list) this.addList(group);
      const from = this.shownCount;
      const items = this.found.slice(from, Math.min(until, group.end)).map(({ photo, score }, offset) => {
        const item = this.tiles.item({ photo, score: this.hasScores ? score : null }, this.minConfidence);
        item.ariaPosInSet = String(from - group.start + offset + 1);
        item.ariaSetSize = String(group.size);
        return item;
      });
      group.list.append(...items);
      this.buttons.push(...items.map((item) => item.firstElementChild));
    }
    // An observer reports only changes: restart it in case the end is still near.
    this.growObserver.unobserve(this.end);
    if (this.shownCount < this.found.length) this.growObserver.observe(this.end);
  }

  addList(group) {
    group.list = createElement("ul");
    group.element = group.list;
    if (group.title) {
      const id = `group-${group.start}`;
      group.list.setAttribute("aria-labelledby", id);
      group.element = createElement("section", {}, createElement("h2", { id }, group.title), group.list);
    } else {
      group.list.ariaLabel = "Photos";
    }
    this.element.append(group.element);
  }

  /** Shows all photos, and begins to load their pictures, which it returns. */
  showAll() {
    this.grow(this.found.length);
    const images = [...this.element.querySelectorAll("img")];
    for (const image of images) this.tiles.load(image);
    return images;
  }

  /** Shows no more than the first `count` photos, until the end comes into view. */
  showFirst(count) {
    for (const button of this.buttons.splice(count)) button.parentElement.remove();
    for (const group of this.groups) {
      if (!group.list || group.start < count) continue;
      group.element.remove();
      group.list = null;
    }
    this.grow(count);
  }

  setCurrent(button) {
    if (this.current) this.current.tabIndex = -1;
    this.current = button;
    if (this.current) this.current.tabIndex = 0;
  }

  goTo(position) {
    if (position < 0 || position >= this.found.length) return;
    if (position >= this.shownCount) this.grow(position + Grid.CHUNK);
    this.buttons[position].focus();
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const position = this.buttons.indexOf(event.target);
    const steps = {
      ArrowLeft: () => position - 1,
      ArrowRight: () => position + 1,
      ArrowUp: () => this.vertical(position, -1),
      ArrowDown: () => this.vertical(position, 1),
      Home: () => 0,
      End: () => this.found.length - 1,
    };
    if (!steps[event.key]) return;
    event.preventDefault();
    this.goTo(steps[event.key]());
  }

  /** The position of the nearest tile in the row above (direction -1) or below (1). */
  vertical(position, direction) {
    const middle = (box) => box.left + box.width / 2;
    const buttons = this.buttons;
    const from = buttons[position].getBoundingClientRect();
    let best = position;
    let row = null;
    let nearest = Infinity;
    for (let at = position + direction; buttons[at]; at += direction) {
      const box = buttons[at].getBoundingClientRect();
      if (Math.abs(box.top - from.top) < 4) continue;
      row ??= box.top;
      if (Math.abs(box.top - row) > 4) break;
      const distance = Math.abs(middle(box) - middle(from));
      if (distance < nearest) [best, nearest] = [at, distance];
    }
    return best;
  }
}
