"use strict";

// One face beside a leaderboard: two of its pictures under a line that is dragged, enlarged together, with attention over
// them. It is made of what the page shows below: without this script, or without pictures, nothing is missing.
(() => {
  const { make } = facesr;

  function readPlate(article) {
    const figures = [...article.querySelectorAll("figure")];
    const pictures = figures.map((figure) => {
      const image = figure.querySelector("img:not(.map)");
      const same = "same" in figure.dataset; // it hands its input back
      const label = figure.querySelector("figcaption .label").textContent;
      const attention = figure.dataset.attention ? JSON.parse(figure.dataset.attention) : [];
      const width = Number(image?.dataset.w ?? image?.getAttribute("width"));
      return image && { label, source: image.getAttribute("src"), attention, width, same };
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

  function makeHero(hero) {
    const board = hero.closest("section.board");
    const plates = [...board.querySelectorAll(".plates article.plate")].map(readPlate).filter((plate) => plate.pictures.length > 1);
    if (!plates.length) return;
    const labels = plates[0].pictures.map((picture) => picture.label);
    // The input against the best that is not the input again, else against the truth: what people look for first.
    const other = plates[0].pictures.findIndex((picture, place) => place > 0 && !picture.same);
    const [first, second] = [0, other > 0 ? other : 1];
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
    const zooms = make("fieldset", { class: "zoom" }, make("legend", {}, "Size"));
    const name = `hero-${hero.dataset.board}`;
    let zoom = "fit";
    // As everywhere, so many pixels of the screen for one of the picture.
    const enlarge = () => {
      const fits = box.clientWidth / plates[Number(face.value)].pictures[0].width;
      box.style.setProperty("--hero-zoom", String(zoom === "fit" ? 1 : zoom / fits));
    };
    for (const size of ["fit", 1, 2, 4, 8]) {
      const radio = make("input", { type: "radio", name, value: size });
      radio.checked = size === "fit";
      radio.addEventListener("change", () => {
        zoom = size;
        enlarge();
      });
      zooms.append(make("label", {}, radio, make("span", {}, size === "fit" ? size : `${size}×`)));
    }
    addEventListener("resize", enlarge);

    function draw() {
      const plate = plates[Number(face.value)];
      const shown = [left, right].map((select) => plate.pictures.find((picture) => picture.label === labels[Number(select.value)]));
      const most = Math.max(0, ...shown.map((picture) => picture?.attention.length ?? 0));
      unit.max = String(most);
      if (Number(unit.value) > most) unit.value = "0";
      const at = Number(unit.value);
      unit.closest(".choices").querySelectorAll(".of-attention").forEach((part) => { part.hidden = !most; });
      unitWords.textContent = at ? `Unit ${at} of ${most}` : "Attention";
      shown.forEach((picture, index) => {
        const layers = [];
        if (picture) layers.push(make("img", { src: picture.source, alt: `${plate.id}, ${picture.label}` }));
        if (picture?.attention[at - 1]) layers.push(make("img", { src: picture.attention[at - 1], alt: "", class: "over" }));
        sides[index].replaceChildren(...layers);
        tags[index].textContent = picture ? picture.label : "not run";
      });
      open.setAttribute("href", plate.link);
      enlarge();
    }

    function move(share) {
      cut.value = String(100 * share);
      box.style.setProperty("--cut", `${100 * share}%`);
    }
    // Where a pointer is: shares of the box.
    const placeOf = (event) => {
      const area = box.getBoundingClientRect();
      const shares = [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height];
      return shares.map((share) => Math.min(1, Math.max(0, share)));
    };
    box.addEventListener("pointermove", (event) => {
      const [x, y] = placeOf(event);
      if (event.buttons || event.pointerType === "touch") move(x);
      else {
        box.style.setProperty("--ox", `${100 * x}%`);
        box.style.setProperty("--oy", `${100 * y}%`);
      }
    });
    box.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      move(placeOf(event)[0]);
    });
    cut.addEventListener("input", () => move(cut.value / 100));
    for (const input of [face, left, right, unit]) input.addEventListener("input", draw);
    unitWords.className = "of-attention";
    unit.className = "of-attention";
    hero.replaceChildren(
      box,
      cut,
      make("div", { class: "choices" }, unitWords, unit, make("span", {}, "Face"), face, make("span", {}, "Left"), left, make("span", {}, "Right"), right),
      zooms,
      make("p", { class: "key" }, open),
    );
    hero.hidden = false;
    draw();
  }

  for (const hero of document.querySelectorAll(".hero")) makeHero(hero);
})();
