"use strict";

// The chosen size of the pictures is kept from page to page where the browser allows it.
const zooms = [...document.querySelectorAll("input[name=zoom]")];
function setZoom(value) {
  document.documentElement.style.setProperty("--zoom", value);
  for (const zoom of zooms) zoom.checked = zoom.value === value;
  document.dispatchEvent(new Event("zoomed"));
}
if (zooms.length) {
  let kept = null;
  try {
    kept = localStorage.getItem("facesr-bench-zoom");
  } catch {
    kept = null;
  }
  if (zooms.some((zoom) => zoom.value === kept)) setZoom(kept);
  for (const zoom of zooms) {
    zoom.addEventListener("change", () => {
      setZoom(zoom.value);
      try {
        localStorage.setItem("facesr-bench-zoom", zoom.value);
      } catch {
        // private windows refuse it; the choice then holds for this page
      }
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
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  const text = block.querySelector("code");
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(text);
    // The newer navigator.clipboard may ask, or wait for ever, on a page opened from disk.
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
  });
  block.prepend(button);
}
