"use strict";

// The photos and what is asked of them: which match, in what order, and how often each label, category
// and state is among them. Knows nothing of the page, so that it can be read (and tried) on its own.

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/** What finds a word at the start of a word: "desc" in "person description", and "cript" not. */
const starting = (word) =>
  new RegExp(`(^|[^\\p{L}\\p{N}])${word.replace(/[\^$.*+?()[\]{}|/\\]/g, "\\$&")}`, "u");

const ANY = 0;
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const nothingWanted = () => ({
  words: "",
  labels: new Set(), // of names: they outlive a page that is made anew
  categories: new Set(),
  states: new Set(),
  least: ANY, // per cent: a label that is less sure does not count
  sort: "newest",
});

class Album {
  constructor(data) {
    this.labels = data.labels;
    this.categories = data.categories;
    this.labelCategories = data.label_categories;
    this.labelAliases = data.label_aliases ?? [];
    this.photos = data.photos;
    this.foldedLabels = data.labels.map((name, label) => fold(this.called(name, label).join("\n")));
    this.foldedNames = new Map(this.photos.map((photo) => [photo, fold(photo.image)]));
    this.byName = new Map(this.photos.map((photo) => [photo.image, photo]));
    this.states = [...new Set(this.photos.map((photo) => photo.status))];
    this.times = new Map(this.photos.map((photo) => [photo, Date.parse(photo.at) || 0]));
    this.lowest = this.findLowest();
    this.nameRank = rank(this.photos, (one, other) => collator.compare(one.image, other.image));
  }

  /** The lowest confidence there is, in whole per cent: below it the slider would change nothing. */
  findLowest() {
    let lowest = 99;
    for (const photo of this.photos) {
      for (const [, sure] of photo.labels) lowest = Math.min(lowest, Math.floor(sure));
    }
    return lowest;
  }

  /** The photos that match with their scores, sorted, and for each facet how many of them bear which name.
   *  States are counted among what all the other filters leave, as a photo has but one. */
  select(wanted) {
    const chosen = indexes(this.labels, wanted.labels);
    const kinds = indexes(this.categories, wanted.categories);
    const words = fold(wanted.words)
      .split(/\s+/)
      .filter(Boolean)
      .map((word) => ({ word, labels: this.naming(word) }));
    const counts = { labels: new Map(), categories: new Map(), states: new Map() };
    const found = [];
    for (const photo of this.photos) {
      const labels = photo.labels.filter(([, sure]) => sure >= wanted.least);
      const sure = this.match(photo, labels, { chosen, kinds, words, least: wanted.least });
      if (!sure) continue;
      count(counts.states, photo.status);
      if (wanted.states.size && !wanted.states.has(photo.status)) continue;
      found.push({ photo, score: sure.length ? Math.min(...sure) : null });
      const seen = new Set();
      for (const [label] of labels) {
        count(counts.labels, this.labels[label]);
        for (const category of this.labelCategories[label] ?? []) seen.add(category);
      }
      for (const category of seen) count(counts.categories, this.categories[category]);
    }
    found.sort(this.order(wanted.sort));
    return { found, counts, asked: Boolean(chosen.length || words.some(({ labels }) => labels.size)) };
  }

  /** How sure each label is that was asked for, or the surest one if none was; null where something is
   *  missing. A word that only the file's name bears tells of no label, and adds nothing. */
  match(photo, labels, { chosen, kinds, words, least }) {
    if (least > ANY && !labels.length) return null;
    const asked = [];
    for (const label of chosen) {
      const found = labels.find(([each]) => each === label);
      if (!found) return null;
      asked.push(found[1]);
    }
    for (const kind of kinds) {
      if (!labels.some(([label]) => this.labelCategories[label]?.includes(kind))) return null;
    }
    const name = this.foldedNames.get(photo);
    for (const { word, labels: naming } of words) {
      const named = labels.filter(([label]) => naming.has(label));
      if (named.length) asked.push(highest(named));
      else if (!name.includes(word)) return null;
    }
    return chosen.length || words.length || !labels.length ? asked : [highest(labels)];
  }

  /** What a label is found by: its name, its aliases and its categories. */
  called(name, label) {
    const categories = this.labelCategories[label] ?? [];
    return [name, ...(this.labelAliases[label] ?? []), ...categories.map((each) => this.categories[each])];
  }

  /** The positions of the labels that a word finds: what is typed begins one of their words. */
  naming(word) {
    const found = starting(word);
    return new Set(this.foldedLabels.flatMap((names, position) => (found.test(names) ? [position] : [])));
  }

  order(sort) {
    const name = (one, other) => this.nameRank.get(one.photo) - this.nameRank.get(other.photo);
    const newest = (one, other) =>
      this.times.get(other.photo) - this.times.get(one.photo) || name(one, other);
    const surest = (one, other) => (other.score ?? -1) - (one.score ?? -1) || newest(one, other);
    return { name, newest, surest }[sort];
  }
}

const highest = (labels) => Math.max(...labels.map(([, sure]) => sure));

const rank = (items, order) => new Map([...items].sort(order).map((item, position) => [item, position]));

const count = (counts, name) => counts.set(name, (counts.get(name) ?? 0) + 1);

// A name that this page does not know gets -1, which no photo bears: an old bookmark finds nothing.
const indexes = (names, wanted) => [...wanted].map((name) => names.indexOf(name));
