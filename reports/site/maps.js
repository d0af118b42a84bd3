"use strict";

// Maps as the pages have them: loaded when one is looked at, coloured by one rule, told as their metric is told.
(() => {
  const LAST = 63;
  const NONE = 255;

  // The maps of some images: the codes of each, of every kind that it has, width * height.
  async function decode(sheet) {
    if (!sheet || !sheet.png) return [];
    const { kinds, has, tops, width, height, count } = sheet;
    const { levels } = await facesr.levels(sheet.png);
    const size = width * height;
    return has.map((own, place) => {
      const codes = {};
      for (const kind of own) {
        const start = (kinds.indexOf(kind) * count + place) * size;
        codes[kind] = levels.subarray(start, start + size);
      }
      return own.length ? { width, height, codes, tops } : null;
    });
  }

  const load = facesr.loader("map", decode, 64);

  // The value at a place of a map of this kind; NaN where there is none.
  function valueOf(map, kind, p) {
    const code = map.codes[kind][p];
    return code === NONE ? NaN : map.tops[kind] * (code / LAST) ** 2;
  }

  // The largest value of some maps of one kind.
  function largest(maps, kind) {
    let top = 0;
    let code = 1;
    for (const map of maps) {
      if (!map || !map.codes[kind]) continue;
      top = map.tops[kind];
      for (const each of map.codes[kind]) if (each !== NONE && each > code) code = each;
    }
    return top * (code / LAST) ** 2;
  }

  // A value as the metric itself is told: decibels, SSIM, LPIPS.
  function inWords(kind, value) {
    if (kind === "ssim") return `SSIM ${facesr.text(1 - value, 2)}`;
    if (kind !== "error") return facesr.text(value, 2);
    const levels = value < 9.95 ? value.toFixed(1) : value.toFixed(0);
    return value ? `${(20 * Math.log10(255 / value)).toFixed(0)} dB (${levels} levels)` : "∞ dB";
  }

  // What a map says at a pixel, for the read-out.
  const words = (map, { name, title }) =>
    Object.assign(
      (x, y) => {
        const value = valueOf(map, name, y * map.width + x);
        return Number.isNaN(value) ? `${title}: no value` : `${title} ${inWords(name, value)}`;
      },
      { size: [map.width, map.height] },
    );

  // Paint a map whose colours end at `end`; false, and an empty canvas, where there is no map of this kind.
  function paint(canvas, map, kind, heat, end) {
    facesr.values.delete(canvas);
    if (!map || !map.codes[kind.name]) {
      canvas.width = canvas.height = 1;
      return false;
    }
    facesr.paint(canvas, map, (p) => {
      const value = valueOf(map, kind.name, p);
      return Number.isNaN(value) ? null : facesr.at(heat, value / end);
    });
    facesr.values.set(canvas, words(map, kind));
    return true;
  }

  // The colours of a kind's maps and what they stand for, from nothing to `end`.
  function bar(place, kind, colours, end, beyond = "") {
    const ends = [0, end / 2, end].map((value) => inWords(kind.name, value));
    ends[2] += beyond;
    facesr.drawBar(place, colours, ends, `Colours of the maps: from black for none to light yellow for ${ends[2]}`);
  }

  // The map that a picture of colours shows: one of several of the PSNR maps, or a mean map of any kind.
  async function ofPicture({ classList, dataset, src }) {
    if (dataset.kind) return (await load(src.replace(/-\d+\.png$/, ".js")))?.[0] ?? null;
    const at = [...classList].find((name) => /^at\d+$/.test(name));
    return at ? ((await load(src.replace(/\.png$/, ".js")))?.[Number(at.slice(2))] ?? null) : null;
  }

  // What such a picture says at a pixel, once its map is loaded.
  async function readable(image) {
    const map = await ofPicture(image);
    const kind = { name: image.dataset.kind ?? "error", title: image.dataset.title ?? "PSNR map" };
    if (map?.codes[kind.name]) facesr.values.set(image, words(map, kind));
  }

  facesr.maps = { load, valueOf, largest, inWords, paint, bar, ofPicture, readable };
})();
