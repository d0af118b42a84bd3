"use strict";

// Provenance is open without script, and folded away with it.
for (const button of document.querySelectorAll("button.more")) {
  const row = document.getElementById(button.getAttribute("aria-controls"));
  const show = (open) => {
    button.setAttribute("aria-expanded", String(open));
    row.hidden = !open;
  };
  show(false);
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
}

function sortKey(body, column, isText) {
  const text = body.rows[0].cells[column].dataset.sort;
  if (text === "") return null;
  if (isText) return text;
  return text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text);
}

// Cells without a value stay at the bottom whichever way the column is sorted.
function sortBy(table, header, ascending) {
  const column = header.cellIndex;
  const isText = header.dataset.kind === "text";
  const keyed = [...table.tBodies].map((body) => ({ body, key: sortKey(body, column, isText) }));
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    if (a.key === b.key) return 0;
    const order = isText ? a.key.localeCompare(b.key) : a.key < b.key ? -1 : 1;
    return ascending ? order : -order;
  });
  for (const { body } of keyed) table.append(body);
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

for (const table of document.querySelectorAll("table.leaderboard")) {
  for (const header of table.tHead.rows[0].cells) {
    header.querySelector("button").addEventListener("click", () => {
      const now = header.getAttribute("aria-sort");
      const bestFirstAscends = header.dataset.kind === "text" || header.dataset.better === "lower";
      sortBy(table, header, now ? now !== "ascending" : bestFirstAscends);
    });
  }
}

// The chosen size of the pictures is kept from page to page where the browser allows it.
const zooms = [...document.querySelectorAll("input[name=zoom]")];
function setZoom(value) {
  document.documentElement.style.setProperty("--zoom", value);
  for (const zoom of zooms) zoom.checked = zoom.value === value;
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
