"use strict";

// The page: filters on the left, photos on the right, both drawn anew from `wanted` whenever it changes.
// `wanted` is kept in the address behind the #, so that a view can be bookmarked.

const data = JSON.parse(document.getElementById("data").textContent);
const album = new Album(data);
const part = (id) => document.getElementById(id);

const FIRST_OPTIONS = 12;
const MORE_OPTIONS = 30;
const OPENED = "opened"; // the state of a step in the history that opened a photo

let wanted = nothingWanted();
let answer = { found: [], asked: false };
let leaving = false; // the step back from a photo that was closed is under way

// ---- the photos

const grid = new Grid(part("grid"), part("end"), album, {
  onOpen: (photo) => {
    write(); // the view to come back to
    history.pushState(OPENED, "", location.hash);
    view(photo);
    write();
  },
});

const viewer = new Viewer(part("viewer"), album, {
  onShow: () => remember(),
  onClose: (photo) => {
    grid.goTo(answer.found.findIndex((each) => each.photo === photo));
    leaving = history.state === OPENED;
    if (leaving) history.back();
    else remember();
  },
});

function view(photo) {
  const photos = answer.found.map((each) => each.photo);
  // A bookmarked photo is shown even where the filters of the bookmark leave it out.
  if (photos.includes(photo)) viewer.open(photos, photos.indexOf(photo), wanted.least);
  else viewer.open([photo], 0, wanted.least);
}

// ---- the filters

class Facet {
  constructor(section, chosen, title = (name) => name) {
    this.list = section.querySelector("ul");
    this.more = section.querySelector(".more");
    this.section = section;
    this.title = title;
    this.chosen = chosen; // of `wanted`: the set of names that this facet fills
    this.room = FIRST_OPTIONS;
    this.options = new Map();
    if (this.more) this.more.onclick = () => this.grow();
  }

  grow() {
    const first = this.room;
    this.room += MORE_OPTIONS;
    this.draw(this.counts);
    this.list.children[first]?.querySelector("input").focus();
  }

  draw(counts, fixed = null) {
    this.counts = counts;
    const chosen = this.chosen();
    const often = (name) => counts.get(name) ?? 0;
    const order = (one, other) =>
      chosen.has(other) - chosen.has(one) || often(other) - often(one) || collator.compare(one, other);
    const names = fixed ?? [...new Set([...chosen, ...counts.keys()])].sort(order);
    const room = Math.max(this.room, chosen.size);
    const cut = names.length > room + 2 ? room : names.length; // "1 more" takes the room of that one
    const focused = document.activeElement;
    this.list.replaceChildren(
      ...names.slice(0, cut).map((name) => this.option(name, often(name), chosen.has(name))),
    );
    if (this.list.contains(focused)) focused.focus({ preventScroll: true }); // moving it has taken it
    this.section.hidden = !names.length;
    if (!this.more) return;
    this.more.hidden = cut === names.length;
    this.more.textContent = `${grouped(names.length - cut)} more`;
  }

  option(name, number, checked) {
    if (!this.options.has(name)) {
      const input = make("input", { type: "checkbox" });
      input.onchange = () => {
        this.chosen()[input.checked ? "add" : "delete"](name);
        draw();
      };
      const text = make("span", { className: "name", dir: "auto" }, shown(this.title(name)));
      const number = make("span", { className: "number" });
      const row = make("label", { className: "option" }, input, text, " ", number);
      this.options.set(name, make("li", {}, row));
    }
    const item = this.options.get(name);
    item.querySelector("input").checked = checked;
    item.querySelector(".number").textContent = grouped(number);
    item.classList.toggle("none", !number);
    return item;
  }
}

const facets = {
  states: new Facet(
    part("states"),
    () => wanted.states,
    (state) => STATES[state],
  ),
  labels: new Facet(part("labels"), () => wanted.labels),
  categories: new Facet(part("categories"), () => wanted.categories),
};

part("words").oninput = () => change({ words: part("words").value });
part("least").oninput = () => {
  const least = part("least").valueAsNumber;
  change({ least: least > album.lowest ? least : ANY });
};
part("sort").onchange = () => change({ sort: part("sort").value });
part("empty").querySelector("button").onclick = () => clearAll();
part("toggle").onclick = () => {
  part("toggle").ariaExpanded = String(part("filters").classList.toggle("open"));
};

function clearAll() {
  change({ ...nothingWanted(), sort: wanted.sort });
  part("words").focus();
}

/** The filters in use, each with a button that takes it off. */
function drawChosen() {
  const chip = (text, remove) => {
    const button = make(
      "button",
      { className: "chip", type: "button", ariaLabel: `Remove filter ${text}` },
      make("span", { dir: "auto" }, text),
      icon("close"),
    );
    button.onclick = () => {
      remove();
      draw();
      (part("chosen").querySelector("button") ?? part("words")).focus();
    };
    return make("li", {}, button);
  };
  const chips = [];
  for (const facet of Object.values(facets)) {
    for (const name of facet.chosen()) {
      chips.push(chip(shown(facet.title(name)), () => facet.chosen().delete(name)));
    }
  }
  if (wanted.least > ANY) chips.push(chip(`at least ${wanted.least} %`, () => (wanted.least = ANY)));
  if (chips.length > 1) {
    const all = make("button", { className: "quiet", type: "button" }, "Clear all");
    all.onclick = () => clearAll();
    chips.push(make("li", {}, all));
  }
  part("chosen").hidden = !chips.length;
  part("chosen").replaceChildren(...chips);
}

// ---- all of it

function change(what) {
  Object.assign(wanted, what);
  draw();
}

function draw() {
  answer = album.select(wanted);
  const { found, counts } = answer;
  const all = album.photos.length;
  const some = found.length === all ? "" : `${grouped(found.length)} of `;
  part("count").textContent = some + counted(all, "photo");
  if (part("words").value !== wanted.words) part("words").value = wanted.words;
  part("sort").value = wanted.sort;
  part("least").value = wanted.least || album.lowest;
  part("least-told").textContent = wanted.least ? `at least ${wanted.least} %` : "any";
  facets.states.draw(
    counts.states,
    Object.keys(STATES).filter((state) => album.states.includes(state)),
  );
  part("states").hidden = album.states.length < 2;
  facets.labels.draw(counts.labels);
  facets.categories.draw(counts.categories);
  drawChosen();
  grid.draw(answer, wanted.least);
  drawEmpty(!found.length, !all);
  const top = document.querySelector("main").getBoundingClientRect().top;
  if (top < 0) scrollBy(0, top - document.querySelector(".top").offsetHeight);
  remember();
}

function drawEmpty(empty, atAll) {
  const section = part("empty");
  section.hidden = !empty;
  section.querySelector("h2").textContent = atAll ? "No photos yet" : "No photo matches";
  section.querySelector("p").textContent = atAll
    ? "Upload some with labelctl upload, and make this page anew."
    : "Try fewer words, or take a filter off.";
  const idle = [section.querySelector("button"), part("filters"), document.querySelector(".tools")];
  for (const each of idle) each.hidden = atAll;
}

// ---- the address behind the #; opening a photo is a step in the history, so that Back closes it

const SETS = { label: "labels", category: "categories", state: "states" };
let remembering = 0;

function written() {
  const words = new URLSearchParams();
  if (wanted.words.trim()) words.set("q", wanted.words.trim());
  for (const [name, set] of Object.entries(SETS)) for (const each of wanted[set]) words.append(name, each);
  if (wanted.least > ANY) words.set("least", wanted.least);
  if (wanted.sort !== "newest") words.set("sort", wanted.sort);
  if (viewer.dialog.open) words.set("photo", viewer.photo.image);
  return words.toString();
}

function remember() {
  clearTimeout(remembering); // a browser takes only so many changes of the address at a time
  remembering = setTimeout(write, 150);
}

function write() {
  clearTimeout(remembering);
  if (written() !== location.hash.slice(1)) history.replaceState(history.state, "", `#${written()}`);
}

function recall() {
  const words = new URLSearchParams(location.hash.slice(1));
  wanted = { ...nothingWanted(), words: words.get("q") ?? "" };
  for (const [name, set] of Object.entries(SETS)) wanted[set] = new Set(words.getAll(name));
  wanted.states = new Set([...wanted.states].filter((state) => Object.hasOwn(STATES, state)));
  const least = Number(words.get("least"));
  if (least > album.lowest && least < 100) wanted.least = Math.floor(least);
  const sort = words.get("sort");
  if ([...part("sort").options].some(({ value }) => value === sort)) wanted.sort = sort;
  const photo = album.byName.get(words.get("photo"));
  draw();
  if (photo) view(photo);
  else if (viewer.dialog.open) viewer.dialog.close();
}

function introduce() {
  const query = data.query ? ` with ${shown(data.query)}` : "";
  const prefix = data.prefix ? ` in ${shown(data.prefix)}` : "";
  part("heading").textContent = `Photos${query}${prefix}`;
  part("brand").textContent = data.stack === data.title ? data.title : `${data.title} · ${shown(data.stack)}`;
  document.title = `${part("heading").textContent} · ${data.title}`;
  part("least").min = album.lowest;
  part("least").max = 99;
  part("least").closest("section").hidden = album.lowest >= 99;
  part("foot").textContent = `Made on ${moment(data.made_at)}.`;
  if (data.more) {
    const left = counted(data.more, "more photo");
    part("foot").append(` ${left} did not fit on this page: labelctl gallery --limit COUNT takes more.`);
  }
}

introduce();
addEventListener("popstate", () => {
  if (leaving) remember(); // what may have been changed since
  else recall();
  leaving = false;
});
recall();
