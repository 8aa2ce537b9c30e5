"use strict";

// The photos as tiles: buttons with a picture, the file name and the labels that say most. A tile is created
// when it is first shown, and its picture is loaded shortly before it becomes visible.

class Tiles {
  constructor(index) {
    this.index = index;
    this.parts = new Map(); // photo → its list item, and the parts of it that change
    this.photoOf = new WeakMap(); // a tile's button or picture → photo
    this.observer = new IntersectionObserver((entries) => this.loadVisible(entries), { rootMargin: "400px" });
  }

  /** The list item of a photo: its tile with labels of at least `minConfidence`, and a score if it has one. */
  item({ photo, score }, minConfidence) {
    if (!this.parts.has(photo)) this.parts.set(photo, this.create(photo));
    const { item, ...texts } = this.parts.get(photo);
    const changes = {
      summary: this.summary(photo, minConfidence),
      score: score === null ? "" : `${Math.floor(score)} %`,
    };
    for (const [name, text] of Object.entries(changes)) {
      if (texts[name].textContent !== text) texts[name].textContent = text; // unchanged text needs no new layout
    }
    return item;
  }

  loadVisible(entries) {
    for (const { target, isIntersecting } of entries) if (isIntersecting) this.load(target);
  }

  load(image) {
    this.observer.unobserve(image);
    if (!image.hasAttribute("src")) image.src = urlOf(this.photoOf.get(image).thumb);
  }

  /** Why the photo has no labels, or those that say most. */
  summary(photo, minConfidence) {
    const labels = photo.labels.filter(([, confidence]) => confidence >= minConfidence);
    const specific = labels.filter(([label]) => photo.specific?.includes(label));
    const names = (specific.length ? specific : labels).slice(0, 3).map(([label]) => this.index.labels[label]);
    return stateText(photo) || names.map(displayName).join(", ") || "No labels";
  }

  create(photo) {
    const { folder, file } = splitKey(photo.image);
    const name = createElement("span", { className: "name", dir: "auto" }, displayName(file));
    const where = createElement("span", { className: "folder", dir: "auto" }, displayName(folder));
    const summary = createElement("span", { className: "summary", dir: "auto" });
    const score = createElement("span", { className: "score" });
    const button = createElement("button", { type: "button", className: `tile ${photo.status}`, tabIndex: -1 });
    this.photoOf.set(button, photo);
    if (photo.thumb) {
      const image = createElement("img", { alt: "", decoding: "async" });
      image.onload = () => button.classList.add("loaded");
      image.onerror = () => button.classList.add("no-picture");
      this.photoOf.set(image, photo);
      this.observer.observe(image);
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
      score,
    );
    const item = createElement("li", {}, button);
    const ratio = (photo.width || 3) / (photo.height || 2);
    item.style.setProperty("--ratio", Math.min(Math.max(ratio, 0.66), 2.2));
    return { item, summary, score };
  }
}
