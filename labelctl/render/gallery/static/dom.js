"use strict";

// Helpers to build the page. Names from photos and labels are only ever inserted as text, so that they
// cannot become markup.

const createElement = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const icon = (name) => {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  const use = document.createElementNS(namespace, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
};

/** A name that is safe to display: makes line breaks, control characters and direction overrides visible. */
const displayName = (name) => name.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");

const percent = (value) => `${value.toFixed(1)} %`;
const formatNumber = (number) => number.toLocaleString("en");
const counted = (number, one, many = `${one}s`) => `${formatNumber(number)} ${number === 1 ? one : many}`;
const dateFormat = new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" });
const formatDate = (at) => dateFormat.format(new Date(at));

/** The URL of a picture, possibly a data: URL stored in a block of this page. */
const urlOf = (picture) => (picture?.block ? document.getElementById(picture.block).textContent : picture);

const STATES = { labelled: "Labelled", failed: "Failed", waiting: "Waiting" };
const stateText = (photo) =>
  displayName(photo.reason ?? (photo.status === "waiting" ? "Waiting for its labels." : ""));
