"use strict";

const FIT_SIDE = 192; // px: as report/site/section.py has it

// What a picture's size is calculated from: width and height in its own pixels, and how much of it fits beside others.
facesr.sized = (element, [width, height]) => {
  element.style.setProperty("--w", width);
  element.style.setProperty("--h", height);
  element.style.setProperty("--fit", Math.min(1, FIT_SIDE / Math.max(width, height)));
  return element;
};
for (const picture of document.querySelectorAll(".strip img, .blank")) {
  const { w = picture.getAttribute("width"), h = picture.getAttribute("height") } = picture.dataset;
  facesr.sized(picture, [Number(w), Number(h)]);
}
document.documentElement.classList.add("sized");

// A chosen size, screen pixels for each of a picture's, is kept from page to page.
for (const name of ["zoom", "pair-zoom"]) {
  const radios = [...document.querySelectorAll(`input[name=${name}]`)];
  const set = (value) => {
    document.documentElement.dataset[name === "zoom" ? "zoom" : "pairZoom"] = value;
    if (value === "fit") document.documentElement.style.removeProperty(`--${name}`);
    else document.documentElement.style.setProperty(`--${name}`, value);
    for (const radio of radios) radio.checked = radio.value === value;
    document.dispatchEvent(new Event("zoomed"));
  };
  if (!radios.length) continue;
  const kept = facesr.kept(name);
  // Where nothing was chosen, two pictures and a part of the third have room beside the names of the metrics.
  const { side } = radios[0].closest("fieldset").dataset;
  const { value } = radios.find((radio) => radio.checked);
  const room = innerWidth - (innerWidth > 640 ? 220 : 0);
  const begins = side && value !== "fit" ? String(Math.max(1, Math.min(value, Math.floor(room / (2.5 * side))))) : value;
  set(radios.some((radio) => radio.value === kept) ? kept : begins);
  for (const radio of radios) {
    radio.addEventListener("change", () => {
      set(radio.value);
      facesr.keep(name, radio.value);
    });
  }
}

for (const range of document.querySelectorAll("input.opacity")) {
  const section = range.closest("section");
  const show = () => section.style.setProperty("--map-opacity", String(range.value / 100));
  range.addEventListener("input", show);
  show();
}

// Commands and citations to take along.
for (const block of document.querySelectorAll(".copy")) {
  const button = facesr.make("button", { type: "button" }, "Copy");
  const text = block.querySelector("code");
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(text);
    // The newer navigator.clipboard may ask, or wait for ever, on a page opened from disk.
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
  });
  block.prepend(button);
}
