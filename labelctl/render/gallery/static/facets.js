"use strict";

// One facet of the filters: a list of options with check boxes and numbers of photos.

class Facet {
  static FIRST_OPTIONS = 12;
  static MORE_OPTIONS = 30;

  /** `selected` returns the set of selected names, and `title` the text of a name. Selecting a name removes
   *  those that it `replaces`. For nested options `nesting` returns {parent, depth}: the start of the title
   *  that the option above it shows already, and the number of options above it. */
  constructor(section, { selected, onChange, title = (name) => name, replaces = () => false, nesting }) {
    this.list = section.querySelector("ul");
    this.more = section.querySelector(".more");
    this.section = section;
    Object.assign(this, { selected, onChange, title, replaces, nesting });
    this.limit = Facet.FIRST_OPTIONS;
    this.options = new Map();
    if (this.more) this.more.onclick = () => this.grow();
  }

  grow() {
    const first = this.limit;
    this.limit += Facet.MORE_OPTIONS;
    this.draw(this.counts, this.fixed);
    this.list.children[first]?.querySelector("input").focus();
  }

  draw(counts, fixed = null) {
    Object.assign(this, { counts, fixed });
    const selected = this.selected();
    const countOf = (name) => counts.get(name) ?? 0;
    const order = (one, other) =>
      selected.has(other) - selected.has(one) || countOf(other) - countOf(one) || collator.compare(one, other);
    const names = fixed ?? [...new Set([...selected, ...counts.keys()])].sort(order);
    const limit = Math.max(this.limit, selected.size);
    const end = names.length > limit + 2 ? limit : names.length; // "1 more" would need as much space
    const focused = document.activeElement;
    this.list.replaceChildren(
      ...names.slice(0, end).map((name) => this.option(name, countOf(name), selected.has(name))),
    );
    if (this.list.contains(focused)) focused.focus({ preventScroll: true }); // lost when the list was replaced
    this.section.hidden = !names.length;
    if (!this.more) return;
    this.more.hidden = end === names.length;
    this.more.textContent = `${formatNumber(names.length - end)} more`;
  }

  select(name, checked) {
    const selected = this.selected();
    for (const other of selected) if (this.replaces(name, other)) selected.delete(other);
    selected[checked ? "add" : "delete"](name);
    this.onChange();
  }

  option(name, number, checked) {
    if (!this.options.has(name)) {
      const input = createElement("input", { type: "checkbox" });
      input.onchange = () => this.select(name, input.checked);
      const { parent, depth } = this.nesting?.(name) ?? { parent: "", depth: 0 };
      const text = createElement("span", { className: "name", dir: "auto" });
      if (parent) text.append(createElement("span", { className: "visually-hidden" }, displayName(parent)));
      text.append(displayName(this.title(name).slice(parent.length)));
      const number = createElement("span", { className: "number" });
      const row = createElement("label", { className: "option" }, input, text, " ", number);
      row.style.setProperty("--depth", depth);
      this.options.set(name, createElement("li", {}, row));
    }
    const item = this.options.get(name);
    item.querySelector("input").checked = checked;
    item.querySelector(".number").textContent = formatNumber(number);
    item.classList.toggle("none", !number);
    return item;
  }
}
