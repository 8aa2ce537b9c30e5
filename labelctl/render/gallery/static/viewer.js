"use strict";

// The dialog with the large picture: which photo it shows, its tools, and the panel with its name and labels.

const PARTS = (
  "stage frame preview boxes missing back next position note play full-screen outline info details when state " +
  "copy original found"
).split(" ");
const NOTE_TIME = 1500; // milliseconds
const PRINT_COLUMNS = 4; // of labels, as in the style sheet
const ALT_LABELS = 4; // labels in the text alternative of a picture
const MAX_ENLARGEMENT = 2; // of a small picture in a large window
const NEXT_STEP = "Fix the file and upload it again. If the file is not the cause, run labelctl retry.";
const listFormat = new Intl.ListFormat("en-GB"); // Dog, Person and Beach

class Viewer {
  /** `onShow` and `onClose` are called with the photo, `onLabel` with the name of a label that was selected. */
  constructor(dialog, index, { onShow, onClose, onLabel }) {
    Object.assign(this, { dialog, index, onShow, onClose, photos: [], position: 0, minConfidence: 0 });
    const find = (selector) => dialog.querySelector(selector);
    this.parts = Object.fromEntries(PARTS.map((name) => [name, find(`.${name}`)]));
    this.heading = find("h2");
    this.pictures = new Pictures();
    this.boxes = new Boxes(this.parts, index, { onLabel });
    this.slideShow = new SlideShow({ onStep: () => this.show(this.position + 1), onChange: (on) => this.played(on) });
    this.zoom = new Zoom(this.parts.stage, this.parts.frame, {
      onChange: () => this.boxes.placeNames(),
      onLevel: (level) => {
        this.slideShow.stop();
        this.announce(level);
      },
      onSwipe: (by) => this.step(by),
    });
    this.connect(find(".close"));
  }

  connect(close) {
    const { dialog, parts } = this;
    close.onclick = () => dialog.close();
    parts.back.onclick = () => this.step(-1);
    parts.next.onclick = () => this.step(1);
    parts.play.onclick = () => this.slideShow.toggle();
    parts["full-screen"].onclick = () => this.toggleFullScreen();
    parts["full-screen"].hidden = !document.fullscreenEnabled;
    parts.outline.onclick = () => this.outline(!this.boxes.outlined);
    parts.info.onclick = () => this.togglePanel();
    parts.copy.onclick = () => this.copyKey();
    dialog.addEventListener("close", () => this.closed());
    dialog.addEventListener("pointerdown", ({ target }) => {
      if (!target.closest(".play, .full-screen")) this.slideShow.stop();
    });
    document.addEventListener("fullscreenchange", () => {
      parts["full-screen"].ariaPressed = String(Boolean(document.fullscreenElement));
    });
    addEventListener("beforeprint", () => this.print(true));
    addEventListener("afterprint", () => this.print(false));
  }

  get photo() {
    return this.photos[this.position];
  }

  /** The keys of the dialog, see Keys. */
  get keys() {
    const { parts, zoom } = this;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const pan = (key) => zoom.pan(...arrows[key.replace("Shift+", "")]);
    const step = (key) => this.step(arrows[key][0]);
    return [
      { keys: ["ArrowLeft", "ArrowRight"], meaning: "Previous or next photo", act: step },
      { keys: ["Home", "End"], meaning: "First or last photo", act: (key) => this.step(key === "Home" ? -Infinity : Infinity) },
      { keys: ["+"], meaning: "Zoom in", act: () => zoom.zoomIn() },
      { keys: ["-"], meaning: "Zoom out", act: () => zoom.zoomOut() },
      { keys: ["0"], meaning: "Show the whole picture", act: () => zoom.zoomOff() },
      { keys: Object.keys(arrows).map((key) => `Shift+${key}`), meaning: "Move the enlarged picture", act: pan },
      { keys: [], gesture: "Wheel", meaning: "Zoom in or out at the pointer" },
      { keys: [], gesture: "Double click or tap", meaning: "Zoom in, or show the whole picture" },
      { keys: [], gesture: "Two fingers", meaning: "Zoom and move the picture" },
      { keys: [" "], meaning: "Play or pause the slide show", act: () => parts.play.click() },
      { keys: ["f"], meaning: "Full screen", act: () => parts["full-screen"].click() },
      { keys: ["b"], meaning: "Show all boxes", act: () => parts.outline.click() },
      { keys: ["i"], meaning: "Show or hide the labels", act: () => parts.info.click() },
      { keys: ["Escape"], meaning: "Close the photo" },
    ];
  }

  /** Shows one of `photos`, with its labels of at least `minConfidence` per cent. */
  open(photos, position, minConfidence) {
    Object.assign(this, { photos, position, minConfidence });
    if (!this.dialog.open) this.dialog.showModal();
    this.draw();
  }

  closed() {
    this.slideShow.stop();
    this.pictures.keep([]);
    if (document.fullscreenElement) document.exitFullscreen();
    this.onClose(this.photo);
  }

  /** Moves by so many photos, at most to the first or last one. */
  step(by) {
    this.slideShow.stop();
    const last = this.photos.length - 1;
    this.show(Math.min(Math.max(this.position + by, 0), last));
  }

  /** Shows the photo at a position, and returns whether it is another one. */
  show(position) {
    if (position === this.position || position >= this.photos.length) return false;
    this.position = position;
    this.draw();
    return true;
  }

  /** Shows a text for a moment, and has screen readers say it. */
  announce(text) {
    const { note } = this.parts;
    note.textContent = text;
    clearTimeout(this.noteTimer);
    this.noteTimer = setTimeout(() => (note.textContent = ""), NOTE_TIME);
  }

  played(on) {
    this.parts.play.ariaPressed = String(on);
    this.announce(on ? "Slide show started" : "Slide show stopped");
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => this.announce("Full screen is not possible here"));
  }

  outline(all) {
    this.boxes.outlined = all;
    this.dialog.classList.toggle("outlined", all);
    this.parts.outline.ariaPressed = String(all);
    this.boxes.placeNames();
  }

  togglePanel() {
    const hidden = this.dialog.classList.toggle("alone");
    this.parts.info.ariaPressed = String(!hidden);
    if (hidden && this.parts.details.contains(document.activeElement)) this.parts.stage.focus();
  }

  async copyKey() {
    const copied = await copyText(this.photo.image, this.dialog);
    this.announce(copied ? "Copied" : "The browser does not allow copying. Select the name instead.");
  }

  /** Prepares the open photo for printing, or for the screen again. */
  print(on) {
    if (on && !this.dialog.open) return;
    this.zoom.glide(false);
    this.dialog.style.setProperty("--rows", Math.ceil(this.parts.found.children.length / PRINT_COLUMNS));
    this.dialog.classList.toggle("printing", on);
    this.boxes.printing = on;
    this.boxes.placeNames();
  }

  draw() {
    const { photo, parts } = this;
    const name = displayName(photo.image);
    this.heading.textContent = name;
    parts.when.textContent = PhotoDate.text(photo);
    parts.original.hidden = !/^https?:/.test(photo.full);
    parts.original.href = parts.original.hidden ? "" : photo.full;
    this.drawState();
    // Screen readers announce the name together with the position.
    parts.position.replaceChildren(
      createElement("span", { className: "visually-hidden" }, `${name}, `),
      `${formatNumber(this.position + 1)} of ${formatNumber(this.photos.length)}`,
    );
    parts.back.disabled = this.position === 0;
    parts.next.disabled = this.position === this.photos.length - 1;
    this.drawPicture();
    this.boxes.draw(photo, this.minConfidence);
    // Useless without a picture.
    parts.play.hidden = parts.outline.hidden = parts.frame.hidden;
    parts.outline.disabled = !this.boxes.elements.length;
    // A disabled or hidden button gets no key events.
    if (document.activeElement.matches(":disabled, [hidden]")) parts.stage.focus();
    parts.details.scrollTop = 0;
    this.onShow(photo);
  }

  drawState() {
    const { photo } = this;
    const { state } = this.parts;
    const labelled = photo.status === "labelled"; // its picture may still be missing, for a reason that is shown
    state.hidden = labelled && !stateText(photo);
    state.className = `state ${photo.status}`;
    state.replaceChildren(
      icon(labelled ? "photo" : photo.status),
      ...(labelled ? [] : [createElement("strong", {}, STATES[photo.status])]),
      stateText(photo),
      photo.status === "failed" ? createElement("span", { className: "next-step" }, NEXT_STEP) : "",
    );
  }

  drawPicture() {
    const { photo, parts } = this;
    const exists = Boolean(photo.full ?? photo.thumb);
    parts.frame.hidden = !exists;
    parts.missing.hidden = exists;
    parts.missing.querySelector("p").textContent = "No picture available.";
    parts.frame.classList.remove("loaded");
    parts.preview.removeAttribute("src"); // never show the previous picture with the new boxes
    this.setShape(photo.width, photo.height);
    this.zoom.reset();
    if (!exists) {
      this.dialog.querySelector(".picture").removeAttribute("src");
      this.pictureShown();
      return;
    }
    const { image, isReady, ready } = this.pictures.get(photo);
    image.alt = this.altText();
    this.dialog.querySelector(".picture").replaceWith(image);
    if (isReady) return this.pictureLoaded(image);
    if (photo.full && photo.thumb) parts.preview.src = urlOf(photo.thumb);
    const ifCurrent = (act) => () => this.photo === photo && this.dialog.open && act(image);
    ready.then(
      ifCurrent(() => this.pictureLoaded(image)),
      ifCurrent(() => this.pictureFailed()),
    );
  }

  /** The most confident labels, or the name of a photo without labels. */
  altText() {
    const labels = this.photo.labels.filter(([, confidence]) => confidence >= this.minConfidence);
    const names = labels.slice(0, ALT_LABELS).map(([label]) => displayName(this.index.labels[label]));
    return listFormat.format(names) || displayName(this.photo.image);
  }

  /** Gives the frame the picture's aspect ratio, because boxes are positioned relative to it, and the greatest width of
   *  the whole picture. A thumbnail of a larger picture is not enlarged beyond that picture. */
  setShape(width, height) {
    const { style } = this.parts.frame;
    style.setProperty("--width", width || 1200);
    style.setProperty("--max-width", (width || 1200) * (this.photo.full ? MAX_ENLARGEMENT : 1));
    style.setProperty("--ratio", (width || 3) / (height || 2));
  }

  pictureLoaded({ naturalWidth, naturalHeight }) {
    if (this.photo.full) this.setShape(naturalWidth, naturalHeight);
    this.parts.frame.classList.add("loaded");
    this.pictureShown();
  }

  pictureFailed() {
    this.parts.frame.hidden = !this.photo.thumb;
    this.parts.missing.hidden = false;
    this.parts.missing.querySelector("p").textContent =
      "The large picture could not be loaded. Its file may be missing, or its link may have expired.";
    this.pictureShown();
  }

  /** Continues when the picture is visible, or known to be missing. */
  pictureShown() {
    const { photos, position } = this;
    this.pictures.keep(photos.slice(Math.max(position - 1, 0), position + 2));
    this.slideShow.wait();
  }
}
