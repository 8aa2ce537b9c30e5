"use strict";

// Loading large pictures. The neighbours of the visible photo are loaded and decoded after it, so that they are
// shown without delay.

class Pictures {
  constructor() {
    this.loading = new Map(); // photo → { image, isReady, ready: a promise }
  }

  /** The element of a photo's large picture, whether it can be painted at once, and a promise of that. */
  get(photo) {
    if (!this.loading.has(photo)) this.loading.set(photo, load(urlOf(photo.full ?? photo.thumb)));
    return this.loading.get(photo);
  }

  /** Loads the pictures of these photos, and forgets those of all others. */
  keep(photos) {
    for (const photo of this.loading.keys()) if (!photos.includes(photo)) this.loading.delete(photo);
    for (const photo of photos) if (photo.thumb || photo.full) this.get(photo);
  }
}

function load(url) {
  const image = createElement("img", { className: "picture", draggable: false, src: url });
  const loaded = { image, isReady: false };
  loaded.ready = image.decode().then(() => (loaded.isReady = true));
  loaded.ready.catch(() => {}); // of a neighbour: reported when it is shown
  return loaded;
}
