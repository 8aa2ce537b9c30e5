"use strict";

// Printing all photos, not only those shown so far. A print has only the pictures that are loaded when it
// begins, and a page cannot delay it. So Ctrl+P loads them first; a print from the menu may need a second try.
// Failed photos, which the page has behind a button, are listed at the end.

class Printing {
  /** `isForGrid` returns whether a print is of all photos, and `failed` the failed ones to list. */
  constructor(grid, note, failedSection, { isForGrid, failed }) {
    Object.assign(this, { grid, note, failedSection, isForGrid, failed, shownBefore: null, isLoading: false });
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("beforeprint", () => this.prepare());
    addEventListener("afterprint", () => this.restore());
  }

  key(event) {
    const isPrint = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "p";
    if (!isPrint || event.shiftKey || !this.isForGrid()) return;
    event.preventDefault();
    this.loadAndPrint();
  }

  async loadAndPrint() {
    if (this.isLoading) return;
    this.isLoading = true;
    const missing = this.showAll();
    this.say(missing.length ? `Loading ${counted(missing.length, "picture")} to print…` : "");
    await Promise.all(missing.map(Printing.#settled));
    this.isLoading = false;
    print();
  }

  prepare() {
    if (!this.isForGrid()) return;
    this.listFailed();
    const missing = this.showAll();
    Promise.all(missing.map(Printing.#settled)).then(() => this.say("")); // for programs that do wait
    this.say(missing.length ? `Not loaded yet: ${counted(missing.length, "picture")}. Cancel, and print again.` : "");
  }

  restore() {
    this.say("");
    this.failedSection.hidden = true;
    if (this.shownBefore !== null) this.grid.showFirst(this.shownBefore);
    this.shownBefore = null;
  }

  listFailed() {
    const failed = this.failed();
    const items = failed.map((photo) =>
      createElement("li", { dir: "auto" }, createElement("strong", {}, displayName(photo.image)), ` ${stateText(photo)}`),
    );
    this.failedSection.hidden = !failed.length;
    this.failedSection.querySelector("ul").replaceChildren(...items);
  }

  /** Shows all photos. Returns the pictures that are not loaded yet. */
  showAll() {
    this.shownBefore ??= this.grid.shownCount;
    return this.grid.showAll().filter((image) => !image.complete);
  }

  say(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  static #settled(image) {
    return new Promise((resolve) => ["load", "error"].forEach((event) => image.addEventListener(event, resolve)));
  }
}
