"use strict";

// What the pages with pictures and numbers share.

// What a template of the page holds, to be filled in.
facesr.pattern = (name) => document.getElementById(`${name}-pattern`).content.firstElementChild.cloneNode(true);

facesr.number = (value) => (value === "inf" ? Infinity : value === "-inf" ? -Infinity : value);

facesr.text = (value, digits) => {
  if (value === Infinity) return "∞";
  return value === -Infinity ? "−∞" : value.toFixed(digits).replace("-", "−");
};

// The numbers of method `m` on image `i`, the best of the image in bold; a dash says why there is none.
facesr.numbers = (m, i) => {
  const { make, number, text, section } = facesr;
  const list = facesr.pattern("numbers");
  section.metrics.forEach((metric, place) => {
    const cell = list.querySelectorAll("dd")[place];
    const value = number(section.methods[m].values[metric.name][i]);
    if (value === null) {
      const reasons = section.methods[m].reasons[metric.name];
      const reason = (typeof reasons === "object" ? reasons[i] : reasons) || "not computed in this run";
      cell.firstElementChild.title = reason;
      cell.querySelector(".vh").textContent = ` ${reason}`;
    } else {
      const shown = text(value, metric.digits);
      cell.replaceChildren(section.best[metric.name][i].includes(m) ? make("b", {}, shown) : shown);
    }
  });
  return list;
};

// -- maps as colours: what the page of one image and its attention share ---------------------------------------------

facesr.table = (colours) => colours.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));

facesr.at = (table, share) => table[Math.round(Math.min(1, Math.max(0, share)) * (table.length - 1))];

// Colour every pixel of a map by its place; none: it stays clear, as there is no value.
facesr.paint = (canvas, { width, height }, colourOf) => {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  for (let p = 0; p < width * height; p += 1) {
    const colour = colourOf(p);
    if (!colour) continue;
    picture.data.set(colour, 4 * p);
    picture.data[4 * p + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
};

facesr.drawBar = (place, colours, ticks, words) => {
  place.hidden = false;
  place.setAttribute("aria-label", words);
  place.querySelector(".bar").style.background = `linear-gradient(to right, ${colours.join(", ")})`;
  place.querySelector(".ticks").replaceChildren(...ticks.map((each) => facesr.make("span", {}, each)));
};

// What the pixel under the pointer is worth: of a canvas, a function of its own x and y that says it in words.
facesr.values = new WeakMap();

// A loader of scripts that call `facesr[name]` with what they hold. One at a time: a script doesn't say which file it is.
// A page opened from disk may load scripts but not read pictures: that is why maps come as scripts.
facesr.loader = (name, decode, most) => {
  const loaded = new Map();
  let pending = null;
  let queue = Promise.resolve();
  facesr[name] = (given) => {
    if (pending) pending(given);
  };
  const load = (source) =>
    new Promise((resolve) => {
      let found = null;
      pending = (given) => {
        found = given;
      };
      const script = facesr.make("script", { src: source });
      script.onload = script.onerror = () => {
        pending = null;
        script.remove();
        resolve(found);
      };
      document.head.append(script);
    });
  return (source) => {
    if (!source) return Promise.resolve(null);
    if (!loaded.has(source)) {
      if (loaded.size > most) loaded.clear();
      queue = queue.then(() => load(source)).then(decode).catch(() => null);
      loaded.set(source, queue);
    }
    return loaded.get(source);
  };
};

// The gray levels of a PNG given in base64, row by row.
facesr.levels = async (png) => {
  // Not as a picture's data: address, which a strict policy forbids.
  const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const { width, height } = picture;
  const canvas = facesr.make("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  return { width, height, levels: Uint8Array.from({ length: width * height }, (_, p) => pixels[4 * p]) };
};
