"use strict";

// Leaderboards: sorting, search and a choice of columns. Without this script they are plain tables, best first.
(() => {
  const { make } = facesr;
  const number = (value) => Number(facesr.number(value));

  // Cells without a value stay at the bottom whichever way the column is sorted.
  function compare(a, b, descending, isText) {
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = isText ? a.localeCompare(b) : number(a) === number(b) ? 0 : number(a) < number(b) ? -1 : 1;
    return descending ? -order : order;
  }

  const say = (what, detail) => document.dispatchEvent(new CustomEvent(what, { detail }));

  function makeBoard(table) {
    const headers = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const rows = [...body.rows]; // as written: best first, which decides between equal values
    const titles = headers.map(titleOf);
    const isText = headers.map((header) => header.dataset.kind === "text");
    const nobody = make("tr", {}, make("td", { class: "quiet", colspan: headers.length }, "No method with these words"));
    const searched = new Map(rows.map((row) => [row, textOf(row, isText)]));
    const state = { words: [], column: null, descending: false, pinned: null };

    function draw() {
      const found = rows.filter((row) => state.words.every((word) => searched.get(row).includes(word)));
      const value = (row) => row.cells[state.column].dataset.order;
      if (state.column !== null) found.sort((a, b) => compare(value(a), value(b), state.descending, isText[state.column]));
      body.replaceChildren(...(found.length ? found : [nobody]));
      headers.forEach((header, index) => {
        if (index === state.column) header.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
        else header.removeAttribute("aria-sort");
      });
    }

    function sortBy(index) {
      const again = index === state.column;
      const bestFirst = !isText[index] && headers[index].dataset.better !== "lower";
      Object.assign(state, { column: index, descending: again ? !state.descending : bestFirst });
      draw();
    }

    function search(text) {
      state.words = text.toLowerCase().split(" ").filter(Boolean);
      draw();
    }

    // Every number's difference from that of the pinned row, in the unit of its column.
    function pin(row) {
      state.pinned = row;
      for (const other of rows) {
        other.classList.toggle("pinned", other === state.pinned);
        other.querySelector(".pin")?.setAttribute("aria-pressed", String(other === state.pinned));
        for (const old of other.querySelectorAll(".delta")) old.remove();
        if (state.pinned !== null && other !== state.pinned) showDifferences(other, state.pinned, headers);
      }
    }

    for (const row of rows) {
      const label = row.cells[0].querySelector(".label").textContent;
      const words = make("span", { class: "vh" }, ` ${label}: show every row's difference from it`);
      const button = make("button", { type: "button", class: "pin", "aria-pressed": "false" }, "pin", words);
      button.addEventListener("click", () => say("pinned", row === state.pinned ? null : label));
      row.cells[0].append(button);
    }
    // What is pinned holds on every leaderboard that has a row of this name.
    document.addEventListener("pinned", ({ detail }) => {
      pin(rows.find((row) => row.cells[0].querySelector(".label").textContent === detail) ?? null);
    });

    function show(index, shown) {
      for (const row of [table.tHead.rows[0], ...rows]) row.cells[index].hidden = !shown;
    }

    headers.forEach((header, index) => {
      if (header.dataset.sortable === "no") return;
      const button = make("button", { type: "button" }, make("span", {}, ...header.childNodes));
      header.append(button);
      header.addEventListener("click", () => sortBy(index)); // the button's clicks come here too
    });
    // Columns that no method has a value in begin hidden, and so do those made of another one's values.
    const begins = headers.map((header, index) => {
      return !("minor" in header.dataset) && (!rows.length || rows.some((row) => row.cells[index].dataset.order !== ""));
    });
    begins.forEach((shown, index) => show(index, shown));
    table.closest(".scroll").before(toolsFor(titles, begins, search, show));
    if (table.dataset.sorted !== "") sortBy(Number(table.dataset.sorted));
  }

  function showDifferences(row, pinned, headers) {
    headers.forEach((header, index) => {
      const values = [row, pinned].map((each) => each.cells[index].dataset.order);
      if (header.dataset.digits === undefined || values.includes("")) return;
      const difference = number(values[0]) - number(values[1]);
      if (!Number.isFinite(difference)) return;
      const text = facesr.text(Math.abs(difference), Number(header.dataset.digits));
      const sign = Number(text) === 0 ? "±" : difference > 0 ? "+" : "−";
      row.cells[index].append(make("span", { class: "delta" }, `${sign}${text}`));
    });
  }

  // A header's words without its mark and what only screen readers are told.
  function titleOf(header) {
    const title = header.cloneNode(true);
    for (const extra of title.querySelectorAll(".vh, [aria-hidden]")) extra.remove();
    return title.textContent.trim();
  }

  function textOf(row, isText) {
    const cells = [...row.cells].filter((_, index) => isText[index]);
    return cells.map((cell) => cell.dataset.search ?? cell.dataset.order ?? "").join(" ").toLowerCase();
  }

  function toolsFor(titles, begins, search, show) {
    const field = make("input", { type: "search" });
    // What is searched holds across the leaderboards of the page.
    field.addEventListener("input", () => say("searched", field.value));
    document.addEventListener("searched", ({ detail }) => {
      if (field.value !== detail) field.value = detail;
      search(detail);
    });
    const summary = make("summary", {}, "Columns");
    const boxes = titles.map((title, index) => {
      const box = make("input", { type: "checkbox" });
      box.checked = begins[index];
      // And so does the choice of a column.
      box.addEventListener("change", () => say("columns", { title, shown: box.checked }));
      document.addEventListener("columns", ({ detail }) => {
        if (detail.title !== title) return;
        box.checked = detail.shown;
        show(index, detail.shown);
      });
      return make("label", {}, box, ` ${title}`);
    });
    const details = make("details", {}, summary, make("div", {}, ...boxes.slice(1))); // the methods' names stay
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      details.open = false;
      summary.focus();
    });
    const tools = make("div", { class: "board-tools" }, make("label", {}, "Filter rows", field), details);
    const hidden = begins.filter((shown) => !shown).length;
    if (hidden) tools.append(make("span", { class: "quiet" }, `${hidden} more column${hidden === 1 ? "" : "s"} to choose from`));
    return tools;
  }

  for (const table of document.querySelectorAll("table.leaderboard")) makeBoard(table);

  for (const point of document.querySelectorAll(".point")) {
    const pin = () => point.setAttribute("aria-pressed", String(point.getAttribute("aria-pressed") !== "true"));
    point.addEventListener("click", pin);
    point.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pin();
    });
  }
})();
