"use strict";

// The photos as tiles, in rows of one height. Tiles are added while scrolling, and pictures are loaded shortly
// before they become visible. Tab reaches one tile, and the arrow keys move from there.

class Grid {
  static CHUNK = 60; // tiles added at a time
  static FEW = 6; // up to this many photos are shown larger

  constructor(list, end, index, { onOpen }) {
    Object.assign(this, { list, end, index, found: [], hasScores: false });
    this.tiles = new Map(); // photo → its tile, created when first shown
    this.photoOf = new WeakMap(); // a tile's button or picture → photo
    this.current = null; // the button that Tab reaches
    this.loadObserver = new IntersectionObserver((entries) => this.load(entries), { rootMargin: "400px" });
    this.growObserver = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && this.grow(),
      { rootMargin: "1200px" },
    );
    list.addEventListener("focusin", (event) => this.setCurrent(event.target.closest("button")));
    list.addEventListener("keydown", (event) => this.key(event));
    list.addEventListener("click", (event) => {
      const photo = this.photoOf.get(event.target.closest("button"));
      if (photo) onOpen(photo);
    });
  }

  get buttons() {
    return [...this.list.children].map((item) => item.firstElementChild);
  }

  get shownCount() {
    return this.list.children.length;
  }

  draw({ found, hasScores }, minConfidence) {
    Object.assign(this, { found, hasScores, minConfidence });
    this.list.hidden = !found.length;
    this.list.classList.toggle("few", found.length <= Grid.FEW);
    this.list.replaceChildren();
    this.grow();
    this.setCurrent(this.buttons.find((button) => button === this.current) ?? this.buttons[0] ?? null);
  }

  grow(until = this.shownCount + Grid.CHUNK) {
    const from = this.shownCount;
    const items = this.found.slice(from, until).map(({ photo, score }, offset) => {
      const item = this.tile(photo);
      item.ariaPosInSet = String(from + offset + 1);
      item.ariaSetSize = String(this.found.length);
      item.querySelector(".summary").textContent = this.summary(photo);
      item.querySelector(".score").textContent = this.hasScores && score !== null ? `${Math.floor(score)} %` : "";
      return item;
    });
    this.list.append(...items);
    // An observer reports only changes: restart it in case the end is still near.
    this.growObserver.unobserve(this.end);
    if (this.shownCount < this.found.length) this.growObserver.observe(this.end);
  }

  load(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      this.loadObserver.unobserve(target);
      target.src = urlOf(this.photoOf.get(target).thumb);
    }
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

  tile(photo) {
    if (!this.tiles.has(photo)) this.tiles.set(photo, this.createTile(photo));
    return this.tiles.get(photo);
  }

  /** Why the photo has no labels, or its most confident ones. */
  summary(photo) {
    const labels = photo.labels.filter(([, confidence]) => confidence >= this.minConfidence).slice(0, 3);
    return stateText(photo) || labels.map(([label]) => displayName(this.index.labels[label])).join(", ") || "No labels";
  }

  createTile(photo) {
    const { folder, file } = splitKey(photo.image);
    const name = createElement("span", { className: "name", dir: "auto" }, displayName(file));
    const where = createElement("span", { className: "folder", dir: "auto" }, displayName(folder));
    const summary = createElement("span", { className: "summary", dir: "auto" });
    const button = createElement("button", { type: "button", className: `tile ${photo.status}`, tabIndex: -1 });
    this.photoOf.set(button, photo);
    if (photo.thumb) {
      const image = createElement("img", { alt: "", decoding: "async" });
      image.onload = () => button.classList.add("loaded");
      image.onerror = () => button.classList.add("no-picture");
      this.photoOf.set(image, photo);
      this.loadObserver.observe(image);
      button.append(image);
    } else {
      button.classList.add("no-picture");
    }
    button.append(icon("photo"));
    if (photo.status !== "labelled") {
      button.append(createElement("span", { className: "badge" }, icon(photo.status), STATES[photo.status]), " ");
    }
    button.append(
      createElement("span", { className: "caption" }, createElement("span", {}, name, " ", where), " ", summary),
      createElement("span", { className: "score" }),
    );
    const item = createElement("li", {}, button);
    const ratio = (photo.width || 3) / (photo.height || 2);
    item.style.setProperty("--ratio", Math.min(Math.max(ratio, 0.66), 2.2));
    return item;
  }
}
