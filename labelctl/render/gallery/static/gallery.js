"use strict";

// The page: filters on the left, photos on the right, both redrawn whenever `filters` changes. The filters
// are kept in the URL's hash, so that a view can be bookmarked.

const data = JSON.parse(document.getElementById("data").textContent);
const index = new PhotoIndex(data);
const byId = (id) => document.getElementById(id);

const FIRST_OPTIONS = 12;
const MORE_OPTIONS = 30;
const OPENED = "opened"; // the state of a history entry for an open photo

let filters = noFilters();
let results = { found: [], hasScores: false };
let closing = false; // going back in the history after a photo was closed

// ---- the photos

const grid = new Grid(byId("grid"), byId("end"), index, {
  onOpen: (photo) => {
    writeHash(); // the view to return to
    history.pushState(OPENED, "", location.hash);
    openViewer(photo);
    writeHash();
  },
});

const viewer = new Viewer(byId("viewer"), index, {
  onShow: () => scheduleHash(),
  onClose: (photo) => {
    grid.goTo(results.found.findIndex((each) => each.photo === photo));
    closing = history.state === OPENED;
    if (closing) history.back();
    else scheduleHash();
  },
  onLabel: (label) => {
    writeHash(); // the photo to return to
    history.pushState(null, "", location.hash);
    filters.labels.add(label);
    viewer.dialog.close();
    draw();
  },
});

function openViewer(photo) {
  const photos = results.found.map((each) => each.photo);
  // A bookmarked photo is shown even if the bookmark's filters exclude it.
  if (photos.includes(photo)) viewer.open(photos, photos.indexOf(photo), filters.minConfidence);
  else viewer.open([photo], 0, filters.minConfidence);
}

// ---- the filters

class Facet {
  constructor(section, selected, title = (name) => name) {
    this.list = section.querySelector("ul");
    this.more = section.querySelector(".more");
    this.section = section;
    this.title = title;
    this.selected = selected; // returns the set of selected names in `filters`
    this.limit = FIRST_OPTIONS;
    this.options = new Map();
    if (this.more) this.more.onclick = () => this.grow();
  }

  grow() {
    const first = this.limit;
    this.limit += MORE_OPTIONS;
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
        draw();
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

const facets = {
  states: new Facet(
    byId("states"),
    () => filters.states,
    (state) => STATES[state],
  ),
  labels: new Facet(byId("labels"), () => filters.labels),
  categories: new Facet(byId("categories"), () => filters.categories),
};

byId("words").oninput = () => change({ words: byId("words").value });
byId("min-confidence").oninput = () => {
  const minConfidence = byId("min-confidence").valueAsNumber;
  change({ minConfidence: minConfidence > index.lowestConfidence ? minConfidence : ANY });
};
byId("sort").onchange = () => change({ sort: byId("sort").value });
byId("empty").querySelector("button").onclick = () => clearAll();
byId("toggle").onclick = () => {
  byId("toggle").ariaExpanded = String(byId("filters").classList.toggle("open"));
};

function clearAll() {
  change({ ...noFilters(), sort: filters.sort });
  byId("words").focus();
}

/** The active filters, each with a button that removes it. */
function drawActiveFilters() {
  const chip = (text, remove) => {
    const button = createElement(
      "button",
      { className: "chip", type: "button", ariaLabel: `Remove filter ${text}` },
      createElement("span", { dir: "auto" }, text),
      icon("close"),
    );
    button.onclick = () => {
      remove();
      draw();
      (byId("active-filters").querySelector("button") ?? byId("words")).focus();
    };
    return createElement("li", {}, button);
  };
  const chips = [];
  for (const facet of Object.values(facets)) {
    for (const name of facet.selected()) {
      chips.push(chip(displayName(facet.title(name)), () => facet.selected().delete(name)));
    }
  }
  if (filters.minConfidence > ANY) {
    chips.push(chip(`at least ${filters.minConfidence} %`, () => (filters.minConfidence = ANY)));
  }
  if (chips.length > 1) {
    const all = createElement("button", { className: "quiet", type: "button" }, "Clear all");
    all.onclick = () => clearAll();
    chips.push(createElement("li", {}, all));
  }
  byId("active-filters").hidden = !chips.length;
  byId("active-filters").replaceChildren(...chips);
}

// ---- drawing the page

function change(changes) {
  Object.assign(filters, changes);
  draw();
}

function draw() {
  results = index.select(filters);
  const { found, counts } = results;
  const all = index.photos.length;
  const matching = found.length === all ? "" : `${formatNumber(found.length)} of `;
  byId("count").textContent = matching + counted(all, "photo");
  if (byId("words").value !== filters.words) byId("words").value = filters.words;
  byId("sort").value = filters.sort;
  byId("min-confidence").value = filters.minConfidence || index.lowestConfidence;
  byId("min-confidence-value").textContent = filters.minConfidence ? `at least ${filters.minConfidence} %` : "any";
  facets.states.draw(
    counts.states,
    Object.keys(STATES).filter((state) => index.states.includes(state)),
  );
  byId("states").hidden = index.states.length < 2;
  facets.labels.draw(counts.labels);
  facets.categories.draw(counts.categories);
  drawActiveFilters();
  grid.draw(results, filters.minConfidence);
  drawEmpty(!found.length, !all);
  const top = document.querySelector("main").getBoundingClientRect().top;
  if (top < 0) scrollBy(0, top - document.querySelector(".top").offsetHeight);
  scheduleHash();
}

function drawEmpty(empty, noPhotos) {
  const section = byId("empty");
  section.hidden = !empty;
  section.querySelector("h2").textContent = noPhotos ? "No photos yet" : "No photo matches";
  section.querySelector("p").textContent = noPhotos
    ? "Upload some with labelctl upload, then run labelctl gallery again."
    : "Try fewer words, or remove a filter.";
  const unused = [section.querySelector("button"), byId("filters"), document.querySelector(".tools")];
  for (const each of unused) each.hidden = noPhotos;
}

// ---- the URL's hash; opening a photo adds a history entry, so that Back closes it

const SETS = { label: "labels", category: "categories", state: "states" };
let hashTimer = 0;

function currentHash() {
  const params = new URLSearchParams();
  if (filters.words.trim()) params.set("q", filters.words.trim());
  for (const [name, set] of Object.entries(SETS)) for (const each of filters[set]) params.append(name, each);
  if (filters.minConfidence > ANY) params.set("least", filters.minConfidence);
  if (filters.sort !== "newest") params.set("sort", filters.sort);
  if (viewer.dialog.open) params.set("photo", viewer.photo.image);
  return params.toString();
}

function scheduleHash() {
  clearTimeout(hashTimer); // browsers limit how often the URL may change
  hashTimer = setTimeout(writeHash, 150);
}

function writeHash() {
  clearTimeout(hashTimer);
  if (currentHash() !== location.hash.slice(1)) history.replaceState(history.state, "", `#${currentHash()}`);
}

function readHash() {
  const params = new URLSearchParams(location.hash.slice(1));
  filters = { ...noFilters(), words: params.get("q") ?? "" };
  for (const [name, set] of Object.entries(SETS)) filters[set] = new Set(params.getAll(name));
  filters.states = new Set([...filters.states].filter((state) => Object.hasOwn(STATES, state)));
  const minConfidence = Number(params.get("least"));
  if (minConfidence > index.lowestConfidence && minConfidence < 100) {
    filters.minConfidence = Math.floor(minConfidence);
  }
  const sort = params.get("sort");
  if ([...byId("sort").options].some(({ value }) => value === sort)) filters.sort = sort;
  const photo = index.byKey.get(params.get("photo"));
  draw();
  if (photo) openViewer(photo);
  else if (viewer.dialog.open) viewer.dialog.close();
}

function drawHeader() {
  const query = data.query ? ` with ${displayName(data.query)}` : "";
  const prefix = data.prefix ? ` in ${displayName(data.prefix)}` : "";
  byId("heading").textContent = `Photos${query}${prefix}`;
  byId("brand").textContent = data.stack === data.title ? data.title : `${data.title} · ${displayName(data.stack)}`;
  document.title = `${byId("heading").textContent} · ${data.title}`;
  byId("min-confidence").min = index.lowestConfidence;
  byId("min-confidence").max = 99;
  byId("min-confidence").closest("section").hidden = index.lowestConfidence >= 99;
  byId("foot").textContent = `Made on ${formatDate(data.made_at)}.`;
  if (data.more) {
    const omitted = counted(data.more, "more photo");
    byId("foot").append(` ${omitted} not shown. To include more, raise labelctl gallery --limit.`);
  }
}

// ---- keys

const keys = new Keys(byId("keys"), [
  { title: "Large picture", isActive: () => viewer.dialog.open, keys: viewer.keys },
  {
    title: "All photos",
    isActive: () => !viewer.dialog.open,
    keys: [
      { keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"], meaning: "Go to another photo" },
      { keys: ["Enter"], meaning: "Open the photo" },
      { keys: ["/"], meaning: "Search", act: () => byId("words").select() },
    ],
  },
  { title: "Everywhere", isActive: () => true, keys: [{ keys: ["?"], meaning: "Show these keys", act: () => keys.show() }] },
]);
for (const button of document.querySelectorAll(".show-keys")) button.onclick = () => keys.show();

drawHeader();
addEventListener("popstate", () => {
  if (closing) scheduleHash(); // the filters may have changed since
  else readHash();
  closing = false;
});
readHash();
