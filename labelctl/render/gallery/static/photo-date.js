"use strict";

// The date of a photo: when it was taken, in the camera's local time, or else when it was uploaded, in the
// local time of this computer. So a photo is in the month in which its photographer saw it.

const PhotoDate = {
  MONTH: new Intl.DateTimeFormat("en", { month: "long", year: "numeric" }),

  /** The date in local time, or null. */
  of(photo) {
    const date = new Date(photo.taken?.slice(0, 19) ?? photo.at ?? "");
    return Number.isNaN(date.getTime()) ? null : date;
  },

  /** The first moment of the month of a photo, in milliseconds since 1970; null without a date. */
  monthOf(photo) {
    const date = PhotoDate.of(photo);
    return date && new Date(date.getFullYear(), date.getMonth()).getTime();
  },

  /** "July 2026" */
  monthTitle: (month) => (month === null ? "No date" : PhotoDate.MONTH.format(month)),

  /** "Taken July 14, 2026 at 3:03 PM (UTC+02:00)", "Uploaded ...", or nothing. */
  text(photo) {
    const date = PhotoDate.of(photo);
    if (!date) return "";
    const offset = photo.taken?.slice(19);
    return `${photo.taken ? "Taken" : "Uploaded"} ${formatDate(date)}${offset ? ` (UTC${offset})` : ""}`;
  },
};
