"use strict";

// One face beside a leaderboard: two of its pictures under a line that is dragged, enlarged together, with attention over
// them. It is made of what the page shows below: without this script, or without pictures, nothing is missing.
(() => {
  const { make } = facesr;

  function readPlate(article) {
    const figures = [...article.querySelectorAll("figure")];
    const pictures = figures.map((figure) => {
      const image = figure.querySelector("img:not(.map)");
      const label = figure.querySelector("figcaption .label").textContent;
      const attention = figure.dataset.attention ? JSON.parse(figure.dataset.attention) : [];
      return image && { label, source: image.getAttribute("src"), attention };
    });
    const link = article.querySelector("a");
    return { id: link.textContent, link: link.getAttribute("href"), pictures: pictures.filter(Boolean) };
  }

  function choice(words, names, chosen) {
    const select = make("select", { "aria-label": words });
    names.forEach((name, index) => select.append(make("option", { value: index }, name)));
    select.value = String(chosen);
    return select;
  }

  // White is the unit's largest value in any image kept, as on the method's page; then tinted.
  function overlay(source, top) {
    const map = make("img", { src: source, alt: "", class: "over" });
    map.style.filter = `brightness(${1 / (top || 1)}) sepia(1) saturate(5) hue-rotate(-12deg)`;
    return map;
  }

  function makeHero(hero) {
    const board = hero.closest("section.board");
    const plates = [...board.querySelectorAll(".plates article.plate")].map(readPlate).filter((plate) => plate.pictures.length > 1);
    if (!plates.length) return;
    const labels = plates[0].pictures.map((picture) => picture.label);
    const last = labels.length - 1;
    // Bicubic or LR against the best network: what people look for first; else the first two.
    const [first, second] = labels.length > 2 ? [0, 1] : [0, last];
    const face = choice("Face", plates.map((plate) => plate.id), 0);
    const left = choice("Left picture", labels, first);
    const right = choice("Right picture", labels, second);
    const unit = make("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Attention unit; 0: none" });
    const unitWords = make("span", {}, "Attention");
    const sides = ["left", "right"].map((name) => make("div", { class: `side ${name}` }));
    const tags = [make("span"), make("span")];
    const edge = make("div", { class: "edge" });
    const box = make("div", { class: "box" }, sides[1], sides[0], edge, make("div", { class: "tags" }, ...tags));
    const cut = make("input", { type: "range", class: "cut", min: 0, max: 100, value: 50, "aria-label": "Where the left picture ends" });
    const open = make("a", {}, "all methods on this face");
    const zooms = make("fieldset", { class: "zoom" }, make("legend", {}, "Zoom"));
    const tops = JSON.parse(hero.dataset.tops);
    const name = `hero-${hero.dataset.board}`;
    for (const zoom of [1, 2, 4, 8]) {
      const radio = make("input", { type: "radio", name, value: zoom });
      radio.checked = zoom === 1;
      radio.addEventListener("change", () => box.style.setProperty("--hero-zoom", String(zoom)));
      zooms.append(make("label", {}, radio, make("span", {}, `${zoom}×`)));
    }

    function draw() {
      const plate = plates[Number(face.value)];
      const shown = [left, right].map((select) => plate.pictures.find((picture) => picture.label === labels[Number(select.value)]));
      const most = Math.max(0, ...shown.map((picture) => picture?.attention.length ?? 0));
      unit.max = String(most);
      if (Number(unit.value) > most) unit.value = "0";
      const at = Number(unit.value);
      unit.closest(".choices").querySelectorAll(".of-attention").forEach((part) => { part.hidden = !most; });
      unitWords.textContent = at ? `Attention, unit ${at} of ${most}` : "Attention";
      shown.forEach((picture, index) => {
        const layers = [];
        if (picture) layers.push(make("img", { src: picture.source, alt: `${plate.id}, ${picture.label}` }));
        if (picture?.attention[at - 1]) layers.push(overlay(picture.attention[at - 1], tops[picture.label]?.[at - 1]));
        sides[index].replaceChildren(...layers);
        tags[index].textContent = picture ? picture.label : "not run";
      });
      open.setAttribute("href", plate.link);
    }

    function move(share) {
      cut.value = String(100 * share);
      box.style.setProperty("--cut", `${100 * share}%`);
    }
    box.addEventListener("pointermove", (event) => {
      const area = box.getBoundingClientRect();
      const x = Math.min(1, Math.max(0, (event.clientX - area.left) / area.width));
      const y = Math.min(1, Math.max(0, (event.clientY - area.top) / area.height));
      if (event.buttons || event.pointerType === "touch") move(x);
      else {
        box.style.setProperty("--ox", `${100 * x}%`);
        box.style.setProperty("--oy", `${100 * y}%`);
      }
    });
    box.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const area = box.getBoundingClientRect();
      move(Math.min(1, Math.max(0, (event.clientX - area.left) / area.width)));
    });
    cut.addEventListener("input", () => move(cut.value / 100));
    for (const input of [face, left, right, unit]) input.addEventListener("input", draw);
    const words = (text, extra = {}) => make("span", extra, text);
    unitWords.className = "of-attention";
    unit.className = "of-attention";
    hero.replaceChildren(
      box,
      cut,
      make("div", { class: "choices" }, words("Face"), face, words("Left"), left, words("Right"), right, unitWords, unit),
      zooms,
      make("p", { class: "key" }, open),
    );
    draw();
    hero.hidden = false;
  }

  for (const hero of document.querySelectorAll(".hero")) makeHero(hero);
})();
