"use strict";

// Where the pointer is on a picture or map, in its own pixels from 0, and what the pixel is worth.
(() => {
  const box = facesr.make("output", { class: "readout", id: "readout", "aria-live": "off" });
  box.hidden = true;
  document.body.append(box);

  function pixelOf(element, event) {
    const [width, height] = element instanceof HTMLImageElement ? [element.naturalWidth, element.naturalHeight] : [element.width, element.height];
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
    const value = (canvas) => {
      const found = facesr.values.get(canvas);
      if (found) words.push(found(...pixelOf(canvas, event)));
    };
    if (element instanceof HTMLCanvasElement) value(element);
    else {
      words.push(colourOf(element, x, y));
      // The map that stands below a picture, at the same place of the face.
      const map = element.closest("#all figure")?.querySelector("canvas");
      const found = map && facesr.values.get(map);
      if (found) words.push(found(Math.floor((x * map.width) / element.naturalWidth), Math.floor((y * map.height) / element.naturalHeight)));
    }
    return words.filter(Boolean).join(" · ");
  }

  document.addEventListener("pointermove", (event) => {
    const element = event.target.closest?.("main img, main canvas");
    box.hidden = !element || element.closest(".thumbs") !== null || (element instanceof HTMLImageElement && !element.naturalWidth);
    if (!box.hidden) box.textContent = wordsOf(element, event);
  });
  document.addEventListener("pointerleave", () => {
    box.hidden = true;
  });
})();
