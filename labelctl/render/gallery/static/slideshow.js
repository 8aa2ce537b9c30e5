"use strict";

// Showing one photo after the other. The time of a photo starts when its picture is visible.

const SLIDE_TIME = 4000; // milliseconds

class SlideShow {
  /** `onStep` shows the next photo and returns whether there was one; `onChange` is called with whether it plays. */
  constructor({ onStep, onChange }) {
    Object.assign(this, { onStep, onChange, isPlaying: false, timer: 0 });
  }

  toggle() {
    if (this.isPlaying) this.stop();
    else this.start();
  }

  start() {
    this.isPlaying = true;
    this.onChange(true);
    this.wait();
  }

  stop() {
    if (!this.isPlaying) return;
    clearTimeout(this.timer);
    this.isPlaying = false;
    this.onChange(false);
  }

  /** Starts the time of the current photo, if the show is playing. */
  wait() {
    clearTimeout(this.timer);
    if (this.isPlaying) this.timer = setTimeout(() => this.onStep() || this.stop(), SLIDE_TIME);
  }
}
