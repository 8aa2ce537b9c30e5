"use strict";

// The active filters above the photos, each with a button that removes it.

class ActiveFilters {
  constructor(list, { onChange, onClear, whenEmpty }) {
    Object.assign(this, { list, onChange, onClear, whenEmpty }); // whenEmpty: focused after the last filter is removed
  }

  /** Shows `active` filters: pairs of a text and a function that removes the filter. */
  draw(active) {
    const items = active.map(([text, remove]) => createElement("li", {}, this.chip(text, remove)));
    if (items.length > 1) {
      const all = createElement("button", { className: "quiet", type: "button" }, "Clear all");
      all.onclick = () => this.onClear();
      items.push(createElement("li", {}, all));
    }
    this.list.hidden = !items.length;
    this.list.replaceChildren(...items);
  }

  chip(text, remove) {
    const button = createElement(
      "button",
      { className: "chip", type: "button", ariaLabel: `Remove filter ${text}` },
      createElement("span", { dir: "auto" }, text),
      icon("close"),
    );
    button.onclick = () => {
      remove();
      this.onChange();
      (this.list.querySelector("button") ?? this.whenEmpty).focus();
    };
    return button;
  }
}
