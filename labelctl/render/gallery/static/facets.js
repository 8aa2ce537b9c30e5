"use strict";

// One facet of the filters: a list of options with check boxes and numbers of photos.

class Facet {
  static FIRST_OPTIONS = 12;
  static MORE_OPTIONS = 30;

  constructor(section, { selected, onChange, title = (name) => name }) {
    this.list = section.querySelector("ul");
    this.more = section.querySelector(".more");
    this.section = section;
    this.title = title;
    this.selected = selected; // returns the set of selected names
    this.onChange = onChange;
    this.limit = Facet.FIRST_OPTIONS;
    this.options = new Map();
    if (this.more) this.more.onclick = () => this.grow();
  }

  grow() {
    const first = this.limit;
    this.limit += Facet.MORE_OPTIONS;
    this.draw(this.counts);
    this.list.children[first]?.querySelector("input").focus();
  }

  draw(counts, fixed = null) {
    this.counts = counts;
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

  option(name, number, checked) {
    if (!this.options.has(name)) {
      const input = createElement("input", { type: "checkbox" });
      input.onchange = () => {
        this.selected()[input.checked ? "add" : "delete"](name);
        this.onChange();
      };
      const text = createElement("span", { className: "name", dir: "auto" }, displayName(this.title(name)));
      const number = createElement("span", { className: "number" });
      const row = createElement("label", { className: "option" }, input, text, " ", number);
      this.options.set(name, createElement("li", {}, row));
    }
    const item = this.options.get(name);
    item.querySelector("input").checked = checked;
    item.querySelector(".number").textContent = formatNumber(number);
    item.classList.toggle("none", !number);
    return item;
  }
}
