"use strict";

// The folders of the photos' keys, as options of a facet: those that a choice between makes a difference.

/** Splits a key into its folder, with a slash at the end, and its file name. */
const splitKey = (key) => {
  const end = key.slice(0, -1).lastIndexOf("/") + 1;
  return { folder: key.slice(0, end), file: key.slice(end) };
};

class Folders {
  static FEW = 12; // up to this many are all shown; of more, subfolders only of selected folders

  constructor(photos) {
    const root = Folders.#node("");
    for (const photo of photos) Folders.#add(root, photo.image);
    this.options = []; // in the order of the tree
    Folders.#collect(root, { count: photos.length, parent: "", depth: 0 }, this.options);
    this.byPath = new Map(this.options.map((option) => [option.path, option]));
    this.ofPhoto = new Map(photos.map((photo) => [photo, this.#containing(photo.image)]));
  }

  static #node(path) {
    return { path, count: 0, direct: 0, children: new Map() };
  }

  static #add(root, key) {
    const { folder } = splitKey(key);
    let node = root;
    node.count += 1;
    for (let end = folder.indexOf("/") + 1; end; end = folder.indexOf("/", end) + 1) {
      const path = folder.slice(0, end);
      if (!node.children.has(path)) node.children.set(path, Folders.#node(path));
      node = node.children.get(path);
      node.count += 1;
    }
    node.direct += 1;
  }

  /** Adds the options below `node`. A folder with all photos, or with only one subfolder, is not an option. */
  static #collect(node, { count, parent, depth }, options) {
    const all = node.count === count;
    const isOption = !all && (node.direct > 0 || node.children.size > 1);
    if (isOption) options.push({ path: node.path, parent, depth });
    const below = isOption ? { count, parent: node.path, depth: depth + 1 } : { count, parent, depth };
    if (all && depth === 0) below.parent = node.path; // not repeated in every title
    const children = [...node.children.values()].sort((one, other) => collator.compare(one.path, other.path));
    for (const child of children) Folders.#collect(child, below, options);
  }

  /** The options that contain a key. */
  #containing(key) {
    const paths = [];
    for (let end = key.indexOf("/") + 1; end; end = key.indexOf("/", end) + 1) {
      if (this.byPath.has(key.slice(0, end))) paths.push(key.slice(0, end));
    }
    return paths;
  }

  /** The paths to show while some are selected: those with photos, by their `counts`, and selected ones. */
  visible(selected, counts) {
    const leadsToSelected = (start) => [...selected].some((path) => path.startsWith(start));
    const isOpen = ({ depth, parent }) => depth === 0 || leadsToSelected(parent);
    const shown = this.options.length > Folders.FEW ? this.options.filter(isOpen) : this.options;
    return shown.map(({ path }) => path).filter((path) => counts.has(path) || leadsToSelected(path));
  }
}
