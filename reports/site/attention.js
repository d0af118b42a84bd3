"use strict";

// Where a method with attention looked: one of its units over the face, its mean over the set, and the error map beside.
(() => {
  const data = window.facesr && facesr.section;
  if (!data) return;
  const { make, paint, at, sized } = facesr;
  const $ = (id) => document.getElementById(id);
  const isMean = document.body.classList.contains("mean");
  const having = data.methods.map((method, m) => ({ ...method.attention, label: method.label, m })).filter((each) => each.units);
  if (!having.length) return;

  const heat = facesr.table(data.colours);
  const state = { method: 0, unit: 0 };
  let image = null; // what the viewer shows: its place, size, and where a method's picture is

  const mapsOf = facesr.loader("attention", (found) => found && Promise.all(found.units.map((png) => png && facesr.levels(png))), 32);
  const sourceOf = (method) => (image.i !== null && method.images.includes(image.i) ? `${method.files}/${encodeURIComponent(data.files[image.i])}.js` : null);

  // -- drawing -------------------------------------------------------------------------------------------------------

  function paintUnit(canvas, map, top, words) {
    canvas.setAttribute("aria-label", words);
    facesr.values.delete(canvas);
    if (!map) {
      canvas.width = canvas.height = 1;
      return;
    }
    paint(canvas, map, (p) => at(heat, map.levels[p] / 255 / top));
    facesr.values.set(canvas, (x, y) => `attention ${(map.levels[y * map.width + x] / 255).toFixed(2)}`);
  }

  function shown(title, canvas, face = null) {
    const layers = face ? [sized(make("img", { src: face, alt: "", class: "px" }), image.size)] : [];
    return make("figure", {}, make("div", { class: "stack" }, ...layers, sized(canvas, image.size)), make("figcaption", {}, title));
  }

  const canvasOf = (extra = {}) => make("canvas", { class: "px", role: "img", width: 1, height: 1, ...extra });
  const facts = (unit) => `${unit.stage}, ${unit.size[0]} × ${unit.size[1]} px, up to ${unit.top.toFixed(2)}`;

  async function draw(repaint) {
    const method = having[state.method];
    const { units } = method;
    state.unit = Math.min(state.unit, units.length - 1);
    const unit = units[state.unit];
    const range = $("attention-unit");
    range.max = String(units.length);
    range.value = String(state.unit + 1);
    const words = `${state.unit + 1} of ${units.length}: ${facts(unit)}`;
    range.setAttribute("aria-valuetext", words);
    $("attention-unit-words").textContent = words;
    const before = image;
    const [own, mean] = await Promise.all([mapsOf(sourceOf(method)), mapsOf(method.mean)]);
    if (before !== image || method !== having[state.method] || unit !== units[state.unit]) return; // the reader has gone on
    const figures = [];
    if (own) {
      const canvas = canvasOf({ class: "px over", id: "attention-map" });
      paintUnit(canvas, own[state.unit], unit.top, `Attention of ${method.label}, unit ${words}`);
      figures.push(shown("this face", canvas, image.picture(method.m)));
    }
    if (mean) {
      const canvas = canvasOf({ id: "attention-mean" });
      paintUnit(canvas, mean[state.unit], unit.top, `Attention of ${method.label}, unit ${state.unit + 1}, mean`);
      figures.push(shown(`mean over the ${method.images.length === 1 ? "one image" : `${method.images.length} images`} kept`, canvas));
    }
    if (data.kinds.length) figures.push(shown("the map chosen above", canvasOf({ "data-of": method.m })));
    $("attention-views").replaceChildren(...figures);
    $("attention-over-field").hidden = !own;
    $("attention-words").textContent =
      isMean || own
        ? "How much each attention unit lets through at each place. A unit's colours run from 0 to its largest value in any image kept."
        : `No maps of this image were kept: run --attention ${image.i + 1} keeps those of the first ${image.i + 1}.`;
    facesr.drawBar($("attention-bar"), data.colours, ["0", (unit.top / 2).toFixed(2), unit.top.toFixed(2)], `Colours of attention: from black for 0 to light yellow for ${unit.top.toFixed(2)}`);
    drawThumbs(method, own || mean);
    document.body.dataset.attention = `${image.i} ${method.label} ${state.unit + 1}`;
    if (repaint) document.dispatchEvent(new Event("map-wanted"));
  }

  // All units in small, in the network's order: the parts of the network at a glance, and a way to one of them.
  function drawThumbs(method, maps) {
    const focused = $("attention-thumbs").contains(document.activeElement);
    $("attention-thumbs").replaceChildren(
      ...method.units.map((unit, u) => {
        const canvas = canvasOf({ "aria-hidden": "true" });
        if (maps?.[u]) paint(canvas, maps[u], (p) => at(heat, maps[u].levels[p] / 255 / unit.top));
        const button = make("button", { type: "button", "aria-pressed": String(u === state.unit), "aria-label": `Unit ${u + 1}, ${facts(unit)}` }, canvas, make("span", {}, `${u + 1} ${unit.stage}`));
        button.addEventListener("click", () => choose({ unit: u }));
        return button;
      }),
    );
    if (focused) $("attention-thumbs").children[state.unit].focus();
  }

  function choose(changes) {
    Object.assign(state, changes);
    draw(true);
  }

  $("attention-method").append(...having.map((method, place) => make("option", { value: place }, method.label)));
  $("attention-method").addEventListener("change", (event) => choose({ method: Number(event.target.value) }));
  $("attention-unit").addEventListener("input", (event) => choose({ unit: Number(event.target.value) - 1 }));
  const over = () => $("attention-views").style.setProperty("--map-opacity", String($("attention-over").value / 100));
  $("attention-over").addEventListener("input", over);
  over();
  $("attention-section").hidden = false;
  document.addEventListener("image", (event) => {
    image = event.detail;
    draw(true);
  });
})();
