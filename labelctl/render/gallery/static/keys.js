"use strict";

// The page's keys: a table of what they do, which runs them and is also the help that `?` opens. Keys without an
// action in the table are handled where they are used, such as the arrow keys in the grid.

const TEXT_FIELDS = "select, textarea, input:not([type='checkbox'], [type='range'])";

class Keys {
  /** `groups` are { title, keys }, each of the keys { keys, meaning, act }: the values of KeyboardEvent.key, with "Shift+"
   *  where Shift matters. The help also lists gestures: { keys: [], gesture, meaning }. `isActive` says whether a group is in use. */
  constructor(dialog, groups) {
    Object.assign(this, { dialog, groups });
    dialog.querySelector(".close").onclick = () => dialog.close();
    dialog.querySelector(".groups").append(...groups.map((group) => keyTable(group)));
    document.addEventListener("keydown", (event) => this.press(event));
  }

  show() {
    this.dialog.showModal();
  }

  press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
    if (event.defaultPrevented || this.dialog.open || event.target.matches(TEXT_FIELDS)) return;
    const key = event.key === "=" ? "+" : event.key; // the same key, with and without Shift
    const name = event.shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
    const group = this.groups.find((each) => each.isActive() && each.keys.some(({ keys }) => keys.includes(name)));
    const entry = group?.keys.find(({ keys }) => keys.includes(name));
    if (!entry?.act) return;
    // A focused button is pressed by Space, and a focused list scrolls.
    if (name === " " && event.target.matches("button, a, input, .details")) return;
    event.preventDefault();
    entry.act(name);
  }
}

const KEY_NAMES = { " ": "Space", Escape: "Esc", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

/** A heading with a list of keys. */
function keyTable({ title, keys }) {
  const row = ({ keys, gesture = "", meaning }) =>
    createElement(
      "div",
      {},
      createElement("dt", {}, ...keys.flatMap((key) => [keyCap(key), " "]), gesture),
      createElement("dd", {}, meaning),
    );
  return createElement("section", {}, createElement("h3", {}, title), createElement("dl", {}, ...keys.map(row)));
}

function keyCap(key) {
  const parts = key === "+" ? [key] : key.split("+");
  return createElement("kbd", {}, parts.map((part) => KEY_NAMES[part] ?? part).join(" "));
}
