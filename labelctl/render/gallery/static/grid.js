"use strict";

// The photos as tiles, in rows of one height. Tiles are added as one scrolls, and pictures are loaded as they
// come near; one tile can be reached by Tab, and arrows go from there.

const CHUNK = 60; // tiles added at a time
const FEW = 6; // photos that may be larger

class Grid {
  constructor(list, end, album, { onOpen }) {
    Object.assign(this, { list, end, album, found: [], asked: false });
    this.tiles = new Map(); // photo → its tile, made when it is first shown
    this.photoOf = new WeakMap(); // its button or its picture → photo
    this.current = null; // the button that Tab comes to
    this.nearing = new IntersectionObserver((entries) => this.load(entries), { rootMargin: "400px" });
    this.growing = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && this.grow(),
      { rootMargin: "1200px" },
    );
    list.addEventListener("focusin", (event) => this.reach(event.target.closest("button")));
    list.addEventListener("keydown", (event) => this.key(event));
    list.addEventListener("click", (event) => {
      const photo = this.photoOf.get(event.target.closest("button"));
      if (photo) onOpen(photo);
    });
  }

  get buttons() {
    return [...this.list.children].map((item) => item.firstElementChild);
  }

  get shown() {
    return this.list.children.length;
  }

  draw({ found, asked }, least) {
    Object.assign(this, { found, asked, least });
    this.list.hidden = !found.length;
    this.list.classList.toggle("few", found.length <= FEW);
    this.list.replaceChildren();
    this.grow();
    this.reach(this.buttons.find((button) => button === this.current) ?? this.buttons[0] ?? null);
  }

  grow(until = this.shown + CHUNK) {
    const from = this.shown;
    const items = this.found.slice(from, until).map(({ photo, score }, offset) => {
      const item = this.tile(photo);
      item.ariaPosInSet = String(from + offset + 1);
      item.ariaSetSize = String(this.found.length);
      item.querySelector(".told").textContent = this.told(photo);
      item.querySelector(".score").textContent = this.asked && score !== null ? `${Math.floor(score)} %` : "";
      return item;
    });
    this.list.append(...items);
    // An observer tells of changes only: where the end is still near, it shall tell once more.
    this.growing.unobserve(this.end);
    if (this.shown < this.found.length) this.growing.observe(this.end);
  }

  load(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      this.nearing.unobserve(target);
      target.src = address(this.photoOf.get(target).thumb);
    }
  }

  reach(button) {
    if (this.current) this.current.tabIndex = -1;
    this.current = button;
    if (this.current) this.current.tabIndex = 0;
  }

  goTo(position) {
    if (position < 0 || position >= this.found.length) return;
    if (position >= this.shown) this.grow(position + CHUNK);
    this.buttons[position].focus();
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const position = this.buttons.indexOf(event.target);
    const steps = {
      ArrowLeft: () => position - 1,
      ArrowRight: () => position + 1,
      ArrowUp: () => this.beside(position, -1),
      ArrowDown: () => this.beside(position, 1),
      Home: () => 0,
      End: () => this.found.length - 1,
    };
    if (!steps[event.key]) return;
    event.preventDefault();
    this.goTo(steps[event.key]());
  }

  /** The position of the tile above (-1) or below (1), the nearest one in the row next to it. */
  beside(position, direction) {
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
    if (!this.tiles.has(photo)) this.tiles.set(photo, this.make(photo));
    return this.tiles.get(photo);
  }

  /** Why it has no labels, or the surest of those that count. */
  told(photo) {
    const labels = photo.labels.filter(([, sure]) => sure >= this.least).slice(0, 3);
    return stateOf(photo) || labels.map(([label]) => shown(this.album.labels[label])).join(", ") || "No labels";
  }

  make(photo) {
    const name = make("span", { className: "name", dir: "auto" }, shown(photo.image));
    const told = make("span", { className: "told", dir: "auto" });
    const button = make("button", { type: "button", className: `tile ${photo.status}`, tabIndex: -1 });
    this.photoOf.set(button, photo);
    if (photo.thumb) {
      const image = make("img", { alt: "", decoding: "async" });
      image.onload = () => button.classList.add("arrived");
      image.onerror = () => button.classList.add("bare");
      this.photoOf.set(image, photo);
      this.nearing.observe(image);
      button.append(image);
    } else {
      button.classList.add("bare");
    }
    button.append(icon("photo"));
    if (photo.status !== "labelled") {
      button.append(make("span", { className: "badge" }, icon(photo.status), STATES[photo.status]), " ");
    }
    button.append(
      make("span", { className: "caption" }, name, " ", told),
      make("span", { className: "score" }),
    );
    const item = make("li", {}, button);
    const ratio = (photo.width || 3) / (photo.height || 2);
    item.style.setProperty("--ratio", Math.min(Math.max(ratio, 0.66), 2.2));
    return item;
  }
}
