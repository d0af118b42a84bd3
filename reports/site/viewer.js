"use strict";

// One image, or the mean over the set: every method's map on one scale, and one method against another.
(() => {
  const data = window.facesr && facesr.section;
  if (!data) return;

  const { make, text, numbers, drawBar, sized } = facesr;
  const $ = (id) => document.getElementById(id);
  const isMean = document.body.classList.contains("mean");
  const PAIR_SIDE = 384; // px: as report/site/section.py has it

  // -- what the page shows: kept in its address ----------------------------------------------------------------------

  const state = { i: 0, kind: "", a: 0, b: 0 };
  const { kinds } = data;

  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    const named = (list, value, otherwise) => (list.includes(value) ? list.indexOf(value) : otherwise);
    state.i = named(data.ids, given.get("image"), 0);
    state.kind = kinds.some((kind) => kind.name === given.get("map")) ? given.get("map") : kinds.length ? kinds[0].name : "";
    state.a = named(sides.map((side) => side.label), given.get("a"), isMean || sides.length < 3 ? 0 : 1);
    state.b = named(sides.map((side) => side.label), given.get("b"), isMean ? Math.min(1, sides.length - 1) : data.methods.length > 1 ? 2 : sides.length - 1);
  }

  function writeAddress() {
    const kept = new URLSearchParams();
    if (!isMean) kept.set("image", data.ids[state.i]);
    if (state.kind) kept.set("map", state.kind);
    kept.set("a", sides[state.a].label);
    kept.set("b", sides[state.b].label);
    history.replaceState(null, "", `#${kept}`);
  }

  // What may stand on either side of the slider. `m`: the method's number.
  const sides = [];
  if (!isMean) sides.push({ label: "Input", m: null, part: "lr" });
  data.methods.forEach((method, m) => {
    if (!isMean || method.mean) sides.push({ label: method.label, m });
  });
  if (!isMean && data.truth) sides.push({ label: "Ground truth", m: null, part: "hr" });

  // -- maps, loaded when an image is looked at -----------------------------------------------------------------------

  const { load, valueOf } = facesr.maps;

  async function mapOf(m) {
    const method = data.methods[m];
    if (isMean) return (await load(method.mean))?.[0] ?? null;
    if (state.i in method.errors || !method.maps) return null;
    const images = await load(`${method.maps}/${Math.floor(state.i / data.block)}.js`);
    return images?.[state.i % data.block] ?? null;
  }

  // -- colours -------------------------------------------------------------------------------------------------------

  const { paint, at } = facesr;
  const heat = facesr.table(data.colours);
  const versus = facesr.table(data.versus);

  // One rule on every page: a kind's colours have one end for all single pictures; means end at the largest of any method.
  const scaleOf = (maps, kind) => (isMean ? facesr.maps.largest(maps, kind.name) : kind.end);

  // -- all methods ---------------------------------------------------------------------------------------------------

  const sizeNow = () => (typeof data.sizes[0] === "number" ? data.sizes : data.sizes[state.i]);
  const fileOf = (part) => `${data.inputs}/${part}/${encodeURIComponent(data.files[state.i])}.png`;
  const sourceOf = (side) => (side.m === null ? fileOf(side.part) : `${data.methods[side.m].sr}/${encodeURIComponent(data.files[state.i])}.png`);

  function overlay() {
    if (!isMean || !data.landmarks.length) return [];
    const [width, height] = sizeNow();
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "landmarks");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("aria-hidden", "true");
    for (const [x, y] of data.landmarks) {
      const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      for (const [name, value] of Object.entries({ cx: x, cy: y, r: width / 110 })) dot.setAttribute(name, value);
      svg.append(dot);
    }
    return [svg];
  }

  function drawAll() {
    const size = sizeNow();
    const figures = [];
    for (const side of sides) {
      const caption = make("figcaption", {}, make("span", { class: "label" }, side.label));
      const figure = make("figure", side.part === "hr" ? { class: "truth" } : {});
      const errors = side.m === null ? {} : data.methods[side.m].errors;
      if (!isMean && state.i in errors) {
        figure.append(sized(make("div", { class: "blank" }, make("span", {}, errors[state.i])), size));
      } else {
        if (!isMean) {
          const alt = `${data.ids[state.i]}, ${side.label}`;
          figure.append(sized(make("img", { src: sourceOf(side), alt, width: size[0], height: size[1], class: side.part === "lr" ? "px lr" : "px", decoding: "async" }), size));
        }
        if (side.m !== null && kinds.length) {
          const canvas = sized(make("canvas", { class: "px map", role: "img", "data-method": side.m, width: 1, height: 1 }), size);
          figure.append(isMean ? make("div", { class: "stack" }, canvas, ...overlay()) : canvas);
        }
        if (side.m !== null && !isMean) caption.append(numbers(side.m, state.i));
        if (side.part) caption.append(make("span", { class: "quiet" }, size.map((each) => (side.part === "lr" ? each / data.scale : each)).join(" × ")));
      }
      figure.append(caption);
      figures.push(figure);
    }
    $("all").classList.toggle("lined", !isMean);
    if (!isMean) figures.unshift(facesr.pattern("names"));
    $("all").replaceChildren(...figures);
    $("all-section").hidden = false;
  }

  async function drawMaps() {
    const { i, kind } = state;
    if (!kind) {
      $("versus-figure").hidden = true;
      return;
    }
    const maps = await Promise.all(data.methods.map((_, m) => mapOf(m)));
    if (state.i !== i || state.kind !== kind) return; // the reader has gone on
    const info = kinds.find((each) => each.name === kind);
    const scale = scaleOf(maps, info);
    for (const canvas of document.querySelectorAll("canvas[data-method], canvas[data-of]")) {
      const m = Number(canvas.dataset.method ?? canvas.dataset.of);
      const { label } = data.methods[m];
      const found = facesr.maps.paint(canvas, maps[m], info, heat, scale);
      canvas.setAttribute("aria-label", found ? `${info.title} of ${label} at each pixel` : `${label}: no such map`);
    }
    $("kind-words").textContent = `${info.words} ${isMean ? "One scale of colours for all methods." : "One scale of colours for all methods and images."}`;
    facesr.maps.bar($("bar"), info, data.colours, scale, isMean ? "" : " and worse");
    drawVersus(maps, info);
    document.body.dataset.drawn = `${i} ${kind} ${state.a} ${state.b}`;
  }

  // -- one against another -------------------------------------------------------------------------------------------

  function drawVersus(maps, info) {
    const [a, b] = [sides[state.a], sides[state.b]];
    const [one, other] = [a, b].map((side) => (side.m === null ? null : maps[side.m]));
    const { kind } = state;
    const [unit, digits] = kind === "error" ? [" levels", 1] : ["", 3];
    const canvas = $("versus");
    sized($("versus-figure"), sizeNow());
    const possible = one && other && one.codes[kind] && other.codes[kind] && one.width === other.width && a !== b;
    $("versus-figure").hidden = !possible;
    if (!possible) return;
    const total = one.width * one.height;
    const difference = new Float32Array(total);
    const sizes = [];
    let better = 0;
    let worse = 0;
    for (let p = 0; p < total; p += 1) {
      difference[p] = valueOf(other, kind, p) - valueOf(one, kind, p);
      if (Number.isNaN(difference[p])) continue;
      sizes.push(Math.abs(difference[p]));
      if (difference[p] > 0) better += 1;
      if (difference[p] < 0) worse += 1;
    }
    const ordered = Float32Array.from(sizes).sort();
    const top = ordered[Math.floor(ordered.length * 0.995)] || ordered[ordered.length - 1] || 1;
    paint(canvas, one, (p) => (Number.isNaN(difference[p]) ? null : at(versus, 0.5 + difference[p] / top / 2)));
    facesr.values.set(canvas, (x, y) => {
      const value = difference[y * one.width + x];
      if (Number.isNaN(value)) return `${info.title}: no value`;
      return `${info.title}: ${value ? `${(value > 0 ? a : b).label} better by ${text(Math.abs(value), digits)}${unit}` : "equal"}`;
    });
    drawBar($("versus-bar"), data.versus, [`${b.label} better`, "equal", `${a.label} better`], `Colours: orange where ${b.label} is better, white where both are equal, purple where ${a.label} is better`);
    const share = (count) => `${Math.round((100 * count) / sizes.length)} %`;
    $("versus-words").textContent = `${info.title}: ${a.label} is better on ${share(better)} of the pixels, ${b.label} on ${share(worse)}. Full colour: ${text(top, digits)}${unit} and more.`;
    canvas.setAttribute("aria-label", $("versus-words").textContent);
  }

  function drawPair() {
    const size = sizeNow();
    $("pair-section").hidden = sides.length < 2;
    sizePair(size);
    $("a").value = String(state.a);
    $("b").value = String(state.b);
    if (isMean) return;
    sized($("slider").parentNode, size);
    for (const [id, side] of [
      ["picture-a", sides[state.a]],
      ["picture-b", sides[state.b]],
    ]) {
      const image = $(id);
      const failed = side.m !== null && state.i in data.methods[side.m].errors;
      image.hidden = failed;
      if (failed) image.removeAttribute("src");
      else image.src = sourceOf(side);
      image.alt = `${data.ids[state.i]}, ${side.label}`;
    }
    $("cut").setAttribute("aria-label", `Left of here ${sides[state.a].label}, right of here ${sides[state.b].label}`);
    cut();
  }

  // Never wider than the page: what was cut off there could not be compared. Sizes without room can't be chosen.
  function sizePair(size) {
    const room = document.querySelector("main").clientWidth / size[0];
    const chosen = document.documentElement.dataset.pairZoom;
    const radios = [...document.getElementsByName("pair-zoom")];
    for (const radio of radios) radio.disabled = radio.value !== "fit" && Number(radio.value) > room;
    const wanted = chosen === "fit" ? Math.min(1, PAIR_SIDE / Math.max(...size)) : Number(chosen);
    const times = wanted <= room ? wanted : Math.max(...radios.filter((radio) => !radio.disabled && radio.value !== "fit").map((radio) => Number(radio.value)), Math.min(1, room));
    for (const radio of radios) radio.checked = radio.value === (wanted <= room ? chosen : String(times));
    document.documentElement.style.setProperty("--pair-zoom", times);
  }

  function cut() {
    const range = $("cut");
    $("slider").style.setProperty("--cut", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${sides[state.a].label}`);
  }

  // -- the page ------------------------------------------------------------------------------------------------------

  function draw() {
    if (!isMean) {
      $("title").textContent = data.ids[state.i];
      document.title = `${data.ids[state.i]}: ${data.protocol}, ${data.profile}`;
      $("position").value = String(state.i + 1);
      $("drawn").hidden = !data.drawn[state.i];
      $("drawn").textContent = data.drawn[state.i] || "";
      $("previous").disabled = state.i === 0;
      $("next").disabled = state.i === data.ids.length - 1;
    }
    drawAll();
    drawPair();
    const picture = (m) => (isMean || m === null ? null : sourceOf({ m }));
    document.dispatchEvent(new CustomEvent("image", { detail: { i: isMean ? null : state.i, size: sizeNow(), picture } }));
    drawMaps();
  }

  if (isMean) $("versus").after(...overlay());
  if (isMean && data.landmarks.length) {
    const box = make("input", { type: "checkbox", id: "landmarks" });
    box.checked = true;
    box.addEventListener("change", () => document.body.classList.toggle("without-landmarks", !box.checked));
    $("controls").append(make("label", {}, box, " Mean landmarks"));
  }

  function change(changes) {
    Object.assign(state, changes);
    writeAddress();
    draw();
  }

  if (!sides.length) return;
  for (const id of ["a", "b"]) {
    $(id).append(...sides.map((side, s) => make("option", { value: s }, side.label)));
    $(id).addEventListener("change", () => change({ [id]: Number($(id).value) }));
  }
  readAddress();
  for (const kind of kinds) {
    const radio = make("input", { type: "radio", name: "kind", value: kind.name });
    radio.checked = kind.name === state.kind;
    radio.addEventListener("change", () => change({ kind: kind.name }));
    $("kinds").append(make("label", {}, radio, ` ${kind.title}`));
  }
  $("kinds").hidden = !kinds.length;
  $("controls").hidden = false;
  if (!isMean) {
    $("steps").hidden = false;
    $("previous").addEventListener("click", () => change({ i: state.i - 1 }));
    $("next").addEventListener("click", () => change({ i: state.i + 1 }));
    $("position").addEventListener("change", () => {
      const wanted = Math.round(Number($("position").value));
      change({ i: Math.min(data.ids.length, Math.max(1, wanted || 1)) - 1 });
    });
    $("cut").addEventListener("input", cut);
    const drag = (event) => {
      if (!event.buttons) return;
      const box = $("slider").getBoundingClientRect();
      $("cut").value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
      cut();
    };
    $("slider").addEventListener("pointerdown", drag);
    $("slider").addEventListener("pointermove", drag);
  }
  if (!isMean) {
    addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
      // What moves by these keys itself keeps them: fields, and a strip that can be scrolled sideways.
      if (event.target.closest("input, select, textarea, [contenteditable]")) return;
      const strip = event.target.closest(".scroll");
      if (strip && strip.scrollWidth > strip.clientWidth) return;
      const next = state.i + step;
      if (next < 0 || next >= data.ids.length) return;
      event.preventDefault();
      change({ i: next });
    });
  }
  addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return; // a link within the page
    readAddress();
    for (const radio of document.getElementsByName("kind")) radio.checked = radio.value === state.kind;
    draw();
  });
  document.addEventListener("zoomed", drawPair);
  document.addEventListener("map-wanted", drawMaps);
  addEventListener("resize", drawPair);
  draw();
})();
