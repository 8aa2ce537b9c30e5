"use strict";

// The page: filters on the left, photos on the right, both redrawn whenever `filters` changes.

const data = JSON.parse(document.getElementById("data").textContent);
const index = new PhotoIndex(data);
const byId = (id) => document.getElementById(id);

const OPENED = "opened"; // the state of a history entry for an open photo

let filters = noFilters();
let results = { found: [], failed: [], hasScores: false };
let closing = false; // going back in the history after a photo was closed

// ---- the photos

const grid = new Grid(byId("grid"), byId("end"), new Tiles(index), {
  onOpen: (photo) => {
    writeHash(); // the view to return to
    history.pushState(OPENED, "", location.hash);
    openViewer(photo);
    writeHash();
  },
});

const viewer = new Viewer(byId("viewer"), index, {
  onShow: () => {
    drawTitle();
    scheduleHash();
  },
  onClose: (photo) => {
    drawTitle();
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

const facet = (name, options = {}) =>
  new Facet(byId(name), { selected: () => filters[name], onChange: () => draw(), ...options });
const facets = {
  states: facet("states", { title: (state) => STATES[state] }),
  folders: facet("folders", {
    replaces: (path, other) => path.startsWith(other) || other.startsWith(path),
    nesting: (path) => index.folders.byPath.get(path),
  }),
  labels: facet("labels"),
  categories: facet("categories"),
};
const activeFilters = new ActiveFilters(byId("active-filters"), {
  onChange: () => draw(),
  onClear: () => clearAll(),
  whenEmpty: byId("words"),
});

byId("words").oninput = () => change({ words: byId("words").value });
byId("min-confidence").oninput = () => {
  const minConfidence = byId("min-confidence").valueAsNumber;
  change({ minConfidence: minConfidence > index.lowestConfidence ? minConfidence : ANY });
};
byId("match").onchange = (event) => change({ matchAny: event.target.value === "any" });
byId("sort").onchange = () => change({ sort: byId("sort").value });
byId("empty").querySelector("button").onclick = () => clearAll();
byId("failed").querySelector("button").onclick = () => {
  change({ states: new Set(["failed"]) });
  grid.goTo(0);
};
byId("skip").onclick = (event) => {
  event.preventDefault(); // the hash is for the filters
  (grid.current ?? byId("photos")).focus();
};
byId("toggle").onclick = () => {
  byId("toggle").ariaExpanded = String(byId("filters").classList.toggle("open"));
};

function clearAll() {
  change({ ...noFilters(), sort: filters.sort });
  byId("words").focus();
}

/** The active filters: pairs of a text and a function that removes the filter. */
function listActive() {
  const active = [];
  for (const each of Object.values(facets)) {
    for (const name of each.selected()) {
      active.push([displayName(each.title(name)), () => each.selected().delete(name)]);
    }
  }
  if (filters.matchAny && filters.labels.size > 1) active.push(["any of the labels", () => (filters.matchAny = false)]);
  if (filters.minConfidence > ANY) {
    active.push([`at least ${filters.minConfidence} %`, () => (filters.minConfidence = ANY)]);
  }
  return active;
}

function drawActiveFilters() {
  activeFilters.draw(listActive());
  byId("searched").hidden = !filters.words.trim(); // on paper, instead of the search field
  byId("searched").textContent = `Search: ${displayName(filters.words)}`;
}

// ---- drawing the page

function change(changes) {
  Object.assign(filters, changes);
  draw();
}

function draw() {
  results = index.select(filters);
  drawNotice("");
  const { found, failed, counts } = results;
  const all = index.photos.length;
  byId("count").textContent = countText(found.length, failed.length, all);
  if (byId("words").value !== filters.words) byId("words").value = filters.words;
  byId("sort").value = filters.sort;
  byId("min-confidence").value = filters.minConfidence || index.lowestConfidence;
  const confidence = filters.minConfidence ? `at least ${filters.minConfidence} %` : "any";
  byId("min-confidence-value").textContent = confidence;
  byId("min-confidence").ariaValueText = confidence;
  facets.states.draw(
    counts.states,
    Object.keys(STATES).filter((state) => index.states.includes(state)),
  );
  byId("states").hidden = index.states.length < 2;
  facets.folders.draw(counts.folders, index.folders.visible(filters.folders, counts.folders));
  facets.labels.draw(counts.labels);
  byId("match").hidden = filters.labels.size < 2;
  byId("match").querySelector(`[value=${filters.matchAny ? "any" : "all"}]`).checked = true;
  facets.categories.draw(counts.categories);
  drawActiveFilters();
  drawTitle();
  drawFailed(failed.length);
  grid.draw(results, index.groups(found, filters.sort), filters.minConfidence);
  drawEmpty(!found.length, !all);
  const top = document.querySelector("main").getBoundingClientRect().top;
  if (top < 0) scrollBy(0, top - document.querySelector(".top").offsetHeight);
  scheduleHash();
}

/** "44 photos, 2 failed", or "12 of 46 photos, 1 failed": the failed ones match, but are not among those shown. */
function countText(shown, failed, all) {
  const photos = shown + failed === all ? counted(shown, "photo") : `${formatNumber(shown)} of ${counted(all, "photo")}`;
  return failed ? `${photos}, ${formatNumber(failed)} failed` : photos;
}

/** The window's title: the open photo, or else what is searched for. */
function drawTitle() {
  const searched = [displayName(filters.words.trim()), ...listActive().map(([text]) => text)].filter(Boolean).join(", ");
  const shown = viewer.dialog.open ? displayName(splitKey(viewer.photo.image).file) : searched;
  document.title = [shown, byId("heading").textContent, data.title].filter(Boolean).join(" · ");
}

function drawNotice(text) {
  byId("notice").hidden = !text;
  byId("notice").textContent = text;
}

function drawFailed(count) {
  byId("failed").hidden = !count;
  byId("failed").querySelector("span").textContent = `${counted(count, "photo")} failed.`;
  byId("failed").querySelector("button").textContent = count === 1 ? "Show it" : "Show them";
}

function drawEmpty(empty, noPhotos) {
  const section = byId("empty");
  section.hidden = !empty;
  section.querySelector("h2").textContent = noPhotos ? "No photos yet" : "No photo matches";
  section.querySelector("p").textContent = noPhotos
    ? "Upload some with labelctl upload, then run labelctl gallery again."
    : emptyHint();
  const unused = [section.querySelector("button"), byId("filters"), document.querySelector(".tools")];
  for (const each of unused) each.hidden = noPhotos;
}

function emptyHint() {
  const hints = [];
  const excluded = SearchWords.parse(filters.words).filter((each) => each.excluded);
  if (excluded.length) {
    hints.push(`Photos with ${excluded.map(({ word }) => `"${word}"`).join(" or ")} are excluded by the minus sign.`);
  }
  if (filters.labels.size > 1 && !filters.matchAny) {
    hints.push('Photos need all of the selected labels; "Any" above the labels finds photos with one of them.');
  }
  return [...hints, "Try fewer words, or remove a filter."].join(" ");
}

// ---- the URL's hash; opening a photo adds a history entry, so that Back closes it

let hashTimer = 0;

function scheduleHash() {
  clearTimeout(hashTimer); // browsers limit how often the URL may change
  hashTimer = setTimeout(writeHash, 150);
}

function writeHash() {
  clearTimeout(hashTimer);
  const hash = Address.format(filters, viewer.dialog.open ? viewer.photo : null);
  if (hash !== location.hash.slice(1)) history.replaceState(history.state, "", `#${hash}`);
}

function readHash() {
  const address = Address.parse(location.hash, index);
  filters = address.filters;
  draw();
  if (address.photoKey && !address.photo) drawNotice(`${displayName(address.photoKey)} is not in this gallery.`);
  if (address.photo) openViewer(address.photo);
  else if (viewer.dialog.open) viewer.dialog.close();
}

function drawHeader() {
  const query = data.query ? ` with ${displayName(data.query)}` : "";
  const prefix = data.prefix ? ` in ${displayName(data.prefix)}` : "";
  byId("heading").textContent = `Photos${query}${prefix}`;
  byId("brand").textContent = data.stack === data.title ? data.title : `${data.title} · ${displayName(data.stack)}`;
  byId("min-confidence").min = index.lowestConfidence;
  byId("min-confidence").max = 99;
  byId("min-confidence").closest("section").hidden = index.lowestConfidence >= 99;
  byId("foot").textContent = `Made on ${formatDate(data.made_at)}.`;
  if (data.more) {
    const omitted = counted(data.more, "more photo");
    byId("foot").append(` ${omitted} not shown. To include more, raise labelctl gallery --limit.`);
  }
}

new Printing(grid, byId("print-note"), byId("print-failed"), {
  isForGrid: () => !viewer.dialog.open,
  failed: () => results.failed,
});

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
