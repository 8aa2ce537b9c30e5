"use strict";

// The words of the search field: each must match, except those after a minus sign, which must not.

/** A text without accents and capitals. */
const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

const SearchWords = {
  /** Splits a text into {word, excluded}: -word excludes, and "two words" in quotation marks belong together. */
  parse(text) {
    const words = [...fold(text).matchAll(/(-?)(?:["“”]([^"“”]*)["“”]?|([^\s"“”]+))/g)];
    return words
      .map(([, minus, quoted, word]) => ({ word: (quoted ?? word).trim(), excluded: Boolean(minus) }))
      .filter(({ word }) => word && word !== "-");
  },

  /** A pattern that matches at the start of a word: "desc" matches "person description", "cript" does not. */
  startPattern: (word) => new RegExp(`(^|[^\\p{L}\\p{N}])${word.replace(/[\^$.*+?()[\]{}|/\\]/g, "\\$&")}`, "u"),
};
