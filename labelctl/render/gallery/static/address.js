"use strict";

// The filters and the open photo as the URL's hash, so that a view can be bookmarked.

const Address = {
  SETS: { label: "labels", category: "categories", state: "states", folder: "folders" },

  /** The hash, without "#". `photo` is the open one, if any. */
  format(filters, photo) {
    const params = new URLSearchParams();
    if (filters.words.trim()) params.set("q", filters.words.trim());
    for (const [name, set] of Object.entries(Address.SETS)) {
      for (const each of filters[set]) params.append(name, each);
    }
    if (filters.matchAny && filters.labels.size > 1) params.set("match", "any");
    if (filters.minConfidence > ANY) params.set("least", filters.minConfidence);
    if (filters.sort !== "newest") params.set("sort", filters.sort);
    if (photo) params.set("photo", photo.image);
    return params.toString();
  },

  /** The filters, the photo's key and the photo of a hash. Values that this page does not know are ignored; of a key
   *  that it does not know there is no photo. */
  parse(hash, index) {
    const params = new URLSearchParams(hash.slice(1));
    const filters = { ...noFilters(), words: params.get("q") ?? "", matchAny: params.get("match") === "any" };
    for (const [name, set] of Object.entries(Address.SETS)) filters[set] = new Set(params.getAll(name));
    filters.states = new Set([...filters.states].filter((state) => Object.hasOwn(STATES, state)));
    const minConfidence = Number(params.get("least"));
    if (minConfidence > index.lowestConfidence && minConfidence < 100) {
      filters.minConfidence = Math.floor(minConfidence);
    }
    const sort = params.get("sort");
    if (SORTS.includes(sort)) filters.sort = sort;
    const photoKey = params.get("photo");
    return { filters, photoKey, photo: index.byKey.get(photoKey) };
  },
};
