"use strict";

/** Copies `text` to the clipboard and returns whether that was possible. Some browsers have no clipboard API on a
 *  page opened from disk; for them, and where permission is denied, a text field is copied that is added to `parent`
 *  for the moment. */
async function copyText(text, parent) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const field = createElement("textarea", { className: "visually-hidden", value: text, readOnly: true });
    parent.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    focused.focus({ preventScroll: true });
    return copied;
  }
}
