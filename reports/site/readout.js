"use strict";

// Where the pointer is on a picture or map, in its own pixels from 0, and what the pixel is worth.
(() => {
  const box = facesr.make("output", { class: "readout", id: "readout", "aria-live": "off" });
  box.hidden = true;
  document.body.append(box);

  function pixelOf(element, event) {
    const own = element instanceof HTMLImageElement ? [element.naturalWidth, element.naturalHeight] : [element.width, element.height];
    const [width, height] = facesr.values.get(element)?.size ?? own;
    const area = element.getBoundingClientRect();
    const place = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    return [place((event.clientX - area.left) / area.width, width), place((event.clientY - area.top) / area.height, height)];
  }

  // The colour of a picture's pixel; none where the page was opened from disk: a browser doesn't give it away there.
  function colourOf(image, x, y) {
    const canvas = facesr.make("canvas", { width: 1, height: 1 });
    const context = canvas.getContext("2d");
    try {
      context.drawImage(image, -x, -y);
      return `RGB ${[...context.getImageData(0, 0, 1, 1).data.slice(0, 3)].join(" ")}`;
    } catch {
      return "";
    }
  }

  function wordsOf(element, event) {
    const [x, y] = pixelOf(element, event);
    const words = [`x ${x}, y ${y}`];
    const own = facesr.values.get(element);
    if (own) words.push(own(x, y));
    else if (element instanceof HTMLImageElement) {
      words.push(colourOf(element, x, y));
      // The map that stands below a picture, at the same place of the face.
      const map = element.closest("figure")?.querySelector("canvas, img.map:not([hidden])");
      const found = map && facesr.values.get(map);
      if (found) {
        const [width, height] = found.size ?? [map.width, map.height];
        words.push(found(Math.floor((x * width) / element.naturalWidth), Math.floor((y * height) / element.naturalHeight)));
      }
    }
    return words.filter(Boolean).join(" · ");
  }

  const isMap = (element) => element.matches("img.map, img[data-kind]");
  let last = null;

  function show(event) {
    const element = event.target.closest?.("main img, main canvas");
    last = event;
    // A map that is a picture says nothing until its numbers are loaded.
    const waits = element && isMap(element) && !facesr.values.get(element);
    box.hidden = !element || waits || element.closest(".thumbs, .plot") !== null || (element instanceof HTMLImageElement && !element.naturalWidth);
    if (!box.hidden) box.textContent = wordsOf(element, event);
  }

  const asked = new WeakSet();
  document.addEventListener("pointermove", (event) => {
    show(event);
    const figure = event.target.closest?.("main figure");
    for (const map of figure?.querySelectorAll("img.map, img[data-kind]") ?? []) {
      if (asked.has(map)) continue;
      asked.add(map);
      facesr.maps.readable(map).then(() => show(last), () => {});
    }
  });
  document.addEventListener("pointerleave", () => {
    box.hidden = true;
  });
})();
