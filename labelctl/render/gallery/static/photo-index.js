"use strict";

// The photos, and filtering them: which match, in what order, and how many have each label, category and
// state. Independent of the page, so it can be read and tried on its own.

const ANY = 0;
const SORTS = ["newest", "confidence", "name"];
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const noFilters = () => ({
  words: "",
  labels: new Set(), // names, not positions: they stay valid when the page is generated again
  matchAny: false, // whether one of the labels is enough
  categories: new Set(),
  states: new Set(),
  folders: new Set(), // paths with a slash at the end
  minConfidence: ANY, // per cent: labels below it are ignored
  sort: "newest",
});

class PhotoIndex {
  constructor(data) {
    this.labels = data.labels;
    this.categories = data.categories;
    this.labelCategories = data.label_categories;
    this.labelAliases = data.label_aliases ?? [];
    this.palette = data.palette;
    this.photos = data.photos;
    this.foldedLabels = data.labels.map((name, label) => fold(this.searchTerms(name, label).join("\n")));
    this.foldedKeys = new Map(this.photos.map((photo) => [photo, fold(photo.image)]));
    this.byKey = new Map(this.photos.map((photo) => [photo.image, photo]));
    this.folders = new Folders(this.photos);
    this.states = [...new Set(this.photos.map((photo) => photo.status))];
    this.months = new Map(this.photos.map((photo) => [photo, PhotoDate.monthOf(photo)]));
    this.lowestConfidence = this.findLowestConfidence();
    this.nameRank = PhotoIndex.#rank(this.photos, (one, other) => collator.compare(one.image, other.image));
    const times = new Map(this.photos.map((photo) => [photo, PhotoDate.of(photo)?.getTime() ?? -Infinity]));
    this.dateRank = PhotoIndex.#rank(
      [...this.nameRank.keys()],
      (one, other) => times.get(other) - times.get(one) || 0, // 0 also of two without a date
    );
  }

  /** The lowest confidence of any label, in whole per cent, where the slider starts. */
  findLowestConfidence() {
    let lowest = 99;
    for (const photo of this.photos) {
      for (const [, confidence] of photo.labels) lowest = Math.min(lowest, Math.floor(confidence));
    }
    return lowest;
  }

  /** The matching photos, sorted, with their scores; the failed photos that match but are left out;
   *  and the number of photos per option of each facet. Options of which a photo needs only one are counted
   *  as if the others were not selected. */
  select(filters) {
    const query = this.query(filters);
    const counts = { labels: new Map(), categories: new Map(), states: new Map(), folders: new Map() };
    const found = [];
    for (const photo of this.photos) {
      const labels = photo.labels.filter(([, confidence]) => confidence >= filters.minConfidence);
      const confidences = this.match(photo, labels, query);
      if (!confidences) continue;
      const [missed, ...more] = this.missedFacets(photo, labels, query);
      if (more.length) continue;
      if (!missed) found.push({ photo, score: confidences.length ? Math.min(...confidences) : null });
      if (!missed || missed === "states") PhotoIndex.#count(counts.states, photo.status);
      if (!missed || missed === "folders") PhotoIndex.#countAll(counts.folders, this.folders.ofPhoto.get(photo));
      if (missed && missed !== "labels") continue;
      const categories = new Set();
      for (const [label] of labels) {
        PhotoIndex.#count(counts.labels, this.labels[label]);
        for (const category of this.labelCategories[label] ?? []) categories.add(this.categories[category]);
      }
      if (!missed) PhotoIndex.#countAll(counts.categories, categories);
    }
    const failed = PhotoIndex.#setFailedAside(found, filters);
    found.sort(this.order(filters.sort));
    const hasScores = Boolean(query.labels.length || query.words.some(({ labels }) => labels.size));
    return { found, failed, counts, hasScores };
  }

  /** The filters with positions of labels and categories instead of names. */
  query(filters) {
    const words = SearchWords.parse(filters.words).map((each) => ({ ...each, labels: this.labelsMatching(each.word) }));
    return {
      ...filters,
      matchAny: filters.matchAny && filters.labels.size > 1,
      labels: PhotoIndex.#indexes(this.labels, filters.labels),
      categories: PhotoIndex.#indexes(this.categories, filters.categories),
      folders: [...filters.folders],
      words: words.filter(({ excluded }) => !excluded),
      excludedWords: words.filter(({ excluded }) => excluded),
    };
  }

  /** The facets that exclude the photo, of those where one selected option is enough. */
  missedFacets(photo, labels, { states, folders, labels: selected, matchAny }) {
    const missed = [];
    if (states.size && !states.has(photo.status)) missed.push("states");
    if (folders.length && !folders.some((path) => photo.image.startsWith(path))) missed.push("folders");
    if (matchAny && selected.length && !labels.some(([label]) => selected.includes(label))) missed.push("labels");
    return missed;
  }

  /** The confidences of the labels that the filters ask for, or the highest one if they ask for none; null
   *  if the photo does not match. A word that matches only the photo's key adds no confidence. */
  match(photo, labels, query) {
    if (query.minConfidence > ANY && !labels.length) return null;
    const confidences = [];
    for (const label of query.labels) {
      const found = labels.find(([each]) => each === label);
      if (found) confidences.push(found[1]);
      else if (!query.matchAny) return null;
    }
    if (query.matchAny && confidences.length) confidences.splice(0, Infinity, Math.max(...confidences));
    for (const category of query.categories) {
      if (!labels.some(([label]) => this.labelCategories[label]?.includes(category))) return null;
    }
    const key = this.foldedKeys.get(photo);
    for (const { word, labels: excluded } of query.excludedWords) {
      if (key.includes(word) || labels.some(([label]) => excluded.has(label))) return null;
    }
    for (const { word, labels: matchingLabels } of query.words) {
      const matching = labels.filter(([label]) => matchingLabels.has(label));
      if (matching.length) confidences.push(PhotoIndex.#highest(matching));
      else if (!key.includes(word)) return null;
    }
    const hasTerms = query.labels.length || query.words.length;
    return hasTerms || !labels.length ? confidences : [PhotoIndex.#highest(labels)];
  }

  /** The texts by which a search finds a label: its name, aliases and categories. */
  searchTerms(name, label) {
    const categories = this.labelCategories[label] ?? [];
    return [name, ...(this.labelAliases[label] ?? []), ...categories.map((each) => this.categories[each])];
  }

  /** The positions of the labels that have a word starting with `word`. */
  labelsMatching(word) {
    const pattern = SearchWords.startPattern(word);
    return new Set(this.foldedLabels.flatMap((terms, position) => (pattern.test(terms) ? [position] : [])));
  }

  /** The found photos by month, if they are sorted by date: [{title, size}]; or one group. */
  groups(found, sort) {
    if (sort !== "newest") return [{ title: "", size: found.length }];
    const sizes = new Map();
    for (const { photo } of found) PhotoIndex.#count(sizes, this.months.get(photo));
    return [...sizes].map(([month, size]) => ({ title: PhotoDate.monthTitle(month), size }));
  }

  order(sort) {
    const name = (one, other) => this.nameRank.get(one.photo) - this.nameRank.get(other.photo);
    const newest = (one, other) => this.dateRank.get(one.photo) - this.dateRank.get(other.photo);
    const byConfidence = (one, other) => (other.score ?? -1) - (one.score ?? -1) || newest(one, other);
    return { name, newest, confidence: byConfidence }[sort];
  }

  /** Removes failed photos, unless states are selected or no other photo is found. Returns them. */
  static #setFailedAside(found, { states }) {
    const others = found.filter(({ photo }) => photo.status !== "failed");
    if (states.size || !others.length) return [];
    const failed = found.filter(({ photo }) => photo.status === "failed").map(({ photo }) => photo);
    if (failed.length) found.splice(0, Infinity, ...others);
    return failed;
  }

  static #highest(labels) {
    return Math.max(...labels.map(([, confidence]) => confidence));
  }

  static #rank(items, order) {
    return new Map([...items].sort(order).map((item, position) => [item, position]));
  }

  static #count(counts, name) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }

  static #countAll(counts, names) {
    for (const name of names) PhotoIndex.#count(counts, name);
  }

  /** A name that is not on this page, for example from an old bookmark, gets -1, which matches no photo. */
  static #indexes(names, selected) {
    return [...selected].map((name) => names.indexOf(name));
  }
}
