"use strict";

// What the page is built with. Elements are made one by one, and a name is only ever text in one, so that
// no name can become markup.

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const icon = (name) => {
  const space = "http://www.w3.org/2000/svg";
  const drawn = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#icon-${name}`);
  drawn.setAttribute("aria-hidden", "true");
  drawn.append(use);
  return drawn;
};

/** A name as it may be shown: line breaks, control characters and text-direction overrides made visible. */
const shown = (name) => name.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");

const percent = (sure) => `${sure.toFixed(1)} %`;
const grouped = (number) => number.toLocaleString("en");
const counted = (number, one, many = `${one}s`) => `${grouped(number)} ${number === 1 ? one : many}`;
const clock = new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" });
const moment = (at) => clock.format(new Date(at));

/** Where a picture is: an address, or a data: URL in a block of this page that is read when needed. */
const address = (picture) => (picture?.block ? document.getElementById(picture.block).textContent : picture);

const STATES = { labelled: "Labelled", failed: "Failed", pending: "Waiting" };
const stateOf = (photo) =>
  shown(photo.reason ?? (photo.status === "pending" ? "Its labels are not there yet." : ""));
