"use strict";

// Leaderboards. Without this script they are plain tables, best first.

// Cells without a value stay at the bottom whichever way the column is sorted.
function compare(direction, text) {
  return (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    if (text) return direction * a.localeCompare(b);
    const [x, y] = [a, b].map((value) => (value === "inf" ? Infinity : value === "-inf" ? -Infinity : Number(value)));
    return x === y ? 0 : direction * (x < y ? -1 : 1);
  };
}

function makeBoard(table) {
  const headers = [...table.tHead.rows[0].cells];
  const columns = headers.map((header) => {
    const text = header.dataset.kind === "text";
    const bestFirst = text || header.dataset.better === "lower" ? ["asc", "desc"] : ["desc", "asc"];
    if (header.dataset.sortable === "no") return { orderable: false, searchable: false };
    return { type: text ? "measured-text" : "measured", orderSequence: bestFirst };
  });
  // Columns that no method has a value in begin hidden, and so do those made of another one's values.
  const bodyRows = [...table.tBodies[0].rows];
  const begins = headers.map((header, index) => {
    return !("minor" in header.dataset) && bodyRows.some((row) => row.cells[index].dataset.order !== "");
  });
  const sorted = table.dataset.sorted === "" ? null : Number(table.dataset.sorted);
  const board = new DataTable(table, {
    paging: false,
    info: false,
    autoWidth: false,
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
    order: sorted === null ? [] : [[sorted, columns[sorted].orderSequence[0]]],
    columns: columns.map((column, index) => ({ ...column, visible: begins[index] })),
    language: { emptyTable: "No results", zeroRecords: "No method is called so" },
  });

  const tools = document.createElement("div");
  tools.className = "board-tools";
  const label = document.createElement("label");
  const search = document.createElement("input");
  search.type = "search";
  label.append("Search", search);
  search.addEventListener("input", () => board.search(search.value).draw());

  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = "Columns";
  const list = document.createElement("div");
  headers.forEach((header, index) => {
    if (index === 0) return;
    const line = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = begins[index];
    box.addEventListener("change", () => board.column(index).visible(box.checked));
    const title = header.cloneNode(true);
    for (const extra of title.querySelectorAll(".vh, [aria-hidden], .dt-column-order")) extra.remove();
    line.append(box, ` ${title.textContent.trim()}`);
    list.append(line);
  });
  details.append(summary, list);
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    details.open = false;
    summary.focus();
  });
  tools.append(label, details);
  const hidden = begins.filter((shown) => !shown).length;
  if (hidden) {
    const note = document.createElement("span");
    note.className = "quiet";
    note.textContent = `${hidden} more column${hidden === 1 ? "" : "s"} to choose from`;
    tools.append(note);
  }
  table.closest(".scroll").before(tools);
}

if (window.DataTable) {
  for (const [name, text] of [
    ["measured", false],
    ["measured-text", true],
  ]) {
    DataTable.ext.type.order[`${name}-asc`] = compare(1, text);
    DataTable.ext.type.order[`${name}-desc`] = compare(-1, text);
  }
  for (const table of document.querySelectorAll("table.leaderboard")) makeBoard(table);
}

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
