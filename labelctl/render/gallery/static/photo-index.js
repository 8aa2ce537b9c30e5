"use strict";

// The photos, and filtering them: which match, in what order, and how many have each label, category and
// state. Independent of the page, so it can be read and tried on its own.

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/** A pattern that matches at the start of a word: "desc" matches "person description", "cript" does not. */
const wordStart = (word) =>
  new RegExp(`(^|[^\\p{L}\\p{N}])${word.replace(/[\^$.*+?()[\]{}|/\\]/g, "\\$&")}`, "u");

const ANY = 0;
const SORTS = ["newest", "confidence", "name"];
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const noFilters = () => ({
  words: "",
  labels: new Set(), // names, not positions: they stay valid when the page is generated again
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
    this.times = new Map(this.photos.map((photo) => [photo, Date.parse(photo.at) || 0]));
    this.lowestConfidence = this.findLowestConfidence();
    this.nameRank = PhotoIndex.#rank(this.photos, (one, other) => collator.compare(one.image, other.image));
  }

  /** The lowest confidence of any label, in whole per cent, where the slider starts. */
  findLowestConfidence() {
    let lowest = 99;
    for (const photo of this.photos) {
      for (const [, confidence] of photo.labels) lowest = Math.min(lowest, Math.floor(confidence));
    }
    return lowest;
  }

  /** The matching photos, sorted, with their scores, and the number of photos per option of each facet.
   *  States and folders are alternatives: each is counted as if it were the only one selected. */
  select(filters) {
    const selectedLabels = PhotoIndex.#indexes(this.labels, filters.labels);
    const selectedCategories = PhotoIndex.#indexes(this.categories, filters.categories);
    const words = fold(filters.words)
      .split(/\s+/)
      .filter(Boolean)
      .map((word) => ({ word, labels: this.labelsMatching(word) }));
    const counts = { labels: new Map(), categories: new Map(), states: new Map(), folders: new Map() };
    const folders = [...filters.folders];
    const found = [];
    for (const photo of this.photos) {
      const labels = photo.labels.filter(([, confidence]) => confidence >= filters.minConfidence);
      const confidences = this.match(photo, labels, {
        selectedLabels,
        selectedCategories,
        words,
        minConfidence: filters.minConfidence,
      });
      if (!confidences) continue;
      const inStates = !filters.states.size || filters.states.has(photo.status);
      const inFolders = !folders.length || folders.some((path) => photo.image.startsWith(path));
      if (inFolders) PhotoIndex.#count(counts.states, photo.status);
      if (inStates) for (const path of this.folders.ofPhoto.get(photo)) PhotoIndex.#count(counts.folders, path);
      if (!inStates || !inFolders) continue;
      found.push({ photo, score: confidences.length ? Math.min(...confidences) : null });
      const seen = new Set();
      for (const [label] of labels) {
        PhotoIndex.#count(counts.labels, this.labels[label]);
        for (const category of this.labelCategories[label] ?? []) seen.add(category);
      }
      for (const category of seen) PhotoIndex.#count(counts.categories, this.categories[category]);
    }
    found.sort(this.order(filters.sort));
    const hasScores = Boolean(selectedLabels.length || words.some(({ labels }) => labels.size));
    return { found, counts, hasScores };
  }

  /** The confidences of the labels that the filters ask for, or the highest one if they ask for none; null
   *  if the photo does not match. A word that matches only the photo's key adds no confidence. */
  match(photo, labels, { selectedLabels, selectedCategories, words, minConfidence }) {
    if (minConfidence > ANY && !labels.length) return null;
    const confidences = [];
    for (const label of selectedLabels) {
      const found = labels.find(([each]) => each === label);
      if (!found) return null;
      confidences.push(found[1]);
    }
    for (const category of selectedCategories) {
      if (!labels.some(([label]) => this.labelCategories[label]?.includes(category))) return null;
    }
    const key = this.foldedKeys.get(photo);
    for (const { word, labels: matchingLabels } of words) {
      const matching = labels.filter(([label]) => matchingLabels.has(label));
      if (matching.length) confidences.push(PhotoIndex.#highest(matching));
      else if (!key.includes(word)) return null;
    }
    const hasTerms = selectedLabels.length || words.length;
    return hasTerms || !labels.length ? confidences : [PhotoIndex.#highest(labels)];
  }

  /** The texts by which a search finds a label: its name, aliases and categories. */
  searchTerms(name, label) {
    const categories = this.labelCategories[label] ?? [];
    return [name, ...(this.labelAliases[label] ?? []), ...categories.map((each) => this.categories[each])];
  }

  /** The positions of the labels that have a word starting with `word`. */
  labelsMatching(word) {
    const pattern = wordStart(word);
    return new Set(this.foldedLabels.flatMap((terms, position) => (pattern.test(terms) ? [position] : [])));
  }

  order(sort) {
    const name = (one, other) => this.nameRank.get(one.photo) - this.nameRank.get(other.photo);
    const newest = (one, other) =>
      this.times.get(other.photo) - this.times.get(one.photo) || name(one, other);
    const byConfidence = (one, other) => (other.score ?? -1) - (one.score ?? -1) || newest(one, other);
    return { name, newest, confidence: byConfidence }[sort];
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

  /** A name that is not on this page, for example from an old bookmark, gets -1, which matches no photo. */
  static #indexes(names, selected) {
    return [...selected].map((name) => names.indexOf(name));
  }
}
