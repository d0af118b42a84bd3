"use strict";

// One image, or the mean over the set: every method's error map on one scale, and one method against another.
(() => {
  const data = window.facesr && facesr.section;
  if (!data) return;

  const { make, text, numbers } = facesr;
  const $ = (id) => document.getElementById(id);
  const isMean = document.body.classList.contains("mean");
  const LAST = 63;
  const NONE = 255;

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

  // A page opened from disk may load scripts but not read pictures: that is why maps come as scripts.
  let pending = null;
  window.facesr.map = (map) => {
    if (pending) pending(map);
  };
  const loaded = new Map();
  let queue = Promise.resolve();

  function loadScript(source) {
    return new Promise((resolve) => {
      let map = null;
      pending = (given) => {
        map = given;
      };
      const script = make("script", { src: source });
      script.onload = script.onerror = () => {
        pending = null;
        script.remove();
        resolve(map);
      };
      document.head.append(script);
    });
  }

  // The codes of every kind, each width * height.
  async function decode(map) {
    if (!map || !map.png) return null;
    const image = new Image();
    image.src = `data:image/png;base64,${map.png}`;
    await image.decode();
    const canvas = make("canvas", { width: map.width, height: map.height * map.kinds.length });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const size = map.width * map.height;
    const codes = {};
    map.kinds.forEach((kind, k) => {
      codes[kind] = Uint8Array.from({ length: size }, (_, p) => pixels[4 * (k * size + p)]);
    });
    return { width: map.width, height: map.height, codes, tops: map.tops };
  }

  function mapOf(m) {
    const method = data.methods[m];
    const source = isMean ? method.mean : method.maps && `${method.maps}/${encodeURIComponent(data.files[state.i])}.js`;
    if (!source || (!isMean && state.i in method.errors)) return Promise.resolve(null);
    if (!loaded.has(source)) {
      if (loaded.size > 64) loaded.clear();
      // One at a time: a map does not say which file it came from.
      queue = queue.then(() => loadScript(source)).then(decode, () => null);
      loaded.set(source, queue);
    }
    return loaded.get(source);
  }

  const valueOf = (map, kind, p) => {
    const code = map.codes[kind][p];
    return code === NONE ? NaN : map.tops[kind] * (code / LAST) ** 2;
  };

  // -- colours -------------------------------------------------------------------------------------------------------

  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const heat = data.colours.map(rgb);
  const versus = data.versus.map(rgb);

  function paint(canvas, map, colourOf) {
    canvas.width = map.width;
    canvas.height = map.height;
    const context = canvas.getContext("2d");
    const picture = context.createImageData(map.width, map.height);
    for (let p = 0; p < map.width * map.height; p += 1) {
      const colour = colourOf(p);
      if (!colour) continue; // stays clear: no value here
      picture.data.set(colour, 4 * p);
      picture.data[4 * p + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
  }

  const at = (table, share) => table[Math.round(Math.min(1, Math.max(0, share)) * (table.length - 1))];

  // All but the largest half per cent of the values of all methods: a few wild pixels don't darken the rest.
  function scaleOf(maps, kind) {
    const counts = new Array(LAST + 1).fill(0);
    let total = 0;
    let top = 0;
    for (const map of maps) {
      if (!map || !map.codes[kind]) continue;
      top = map.tops[kind];
      for (const code of map.codes[kind]) {
        if (code !== NONE) {
          counts[code] += 1;
          total += 1;
        }
      }
    }
    let code = LAST;
    for (let above = counts[code]; code > 1 && above <= total * (isMean ? 0 : 0.005); above += counts[code]) code -= 1;
    return top * (code / LAST) ** 2;
  }

  function tick(kind, value) {
    if (kind !== "error") return text(value, 2);
    const levels = value < 9.95 ? value.toFixed(1) : value.toFixed(0);
    return value ? `${levels} (${(20 * Math.log10(255 / value)).toFixed(0)} dB)` : "0 levels";
  }

  function drawBar(place, colours, ticks, words) {
    place.hidden = false;
    place.setAttribute("aria-label", words);
    place.querySelector(".bar").style.background = `linear-gradient(to right, ${colours.join(", ")})`;
    place.querySelector(".ticks").replaceChildren(...ticks.map((each) => make("span", {}, each)));
  }

  // -- all methods ---------------------------------------------------------------------------------------------------

  const sizeNow = () => (typeof data.sizes[0] === "number" ? data.sizes : data.sizes[state.i]);
  const fileOf = (part) => `${data.inputs}/${part}/${encodeURIComponent(data.files[state.i])}.png`;
  const sourceOf = (side) => (side.m === null ? fileOf(side.part) : `${data.methods[side.m].sr}/${encodeURIComponent(data.files[state.i])}.png`);

  function sized(element, size) {
    element.style.setProperty("--w", size[0]);
    element.style.setProperty("--h", size[1]);
    return element;
  }

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
      const figure = make("figure", {});
      const errors = side.m === null ? {} : data.methods[side.m].errors;
      if (!isMean && state.i in errors) {
        figure.append(sized(make("div", { class: "blank" }, make("span", {}, errors[state.i])), size));
      } else {
        if (!isMean) {
          const alt = `${data.ids[state.i]}, ${side.label}`;
          figure.append(sized(make("img", { src: sourceOf(side), alt, width: size[0], height: size[1], class: "px", decoding: "async" }), size));
        }
        if (side.m !== null && kinds.length) {
          const canvas = sized(make("canvas", { class: "px map", role: "img", "data-method": side.m, width: 1, height: 1 }), size);
          figure.append(isMean ? make("div", { class: "stack" }, canvas, ...overlay()) : canvas);
        }
        if (side.m !== null && !isMean) caption.append(numbers(side.m, state.i));
      }
      figure.append(caption);
      figures.push(figure);
    }
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
    const scale = scaleOf(maps, kind);
    for (const canvas of document.querySelectorAll("canvas[data-method]")) {
      const map = maps[Number(canvas.dataset.method)];
      const label = data.methods[Number(canvas.dataset.method)].label;
      canvas.setAttribute("aria-label", map && map.codes[kind] ? `${info.title} of ${label} at each pixel` : `${label}: no such map`);
      if (!map || !map.codes[kind]) {
        canvas.width = canvas.height = 1;
        continue;
      }
      paint(canvas, map, (p) => {
        const value = valueOf(map, kind, p);
        return Number.isNaN(value) ? null : at(heat, value / scale);
      });
    }
    $("kind-words").textContent = `${info.words} One scale of colours for all methods${isMean ? "" : " of this image"}.`;
    const ends = [0, scale / 2, scale].map((value) => tick(kind, value));
    if (!isMean) ends[2] = `≥ ${ends[2]}`;
    drawBar($("bar"), data.colours, ends, `Colours of the maps: from black for none to light yellow for ${ends[2]}`);
    drawVersus(maps, info);
    document.body.dataset.drawn = `${i} ${kind} ${state.a} ${state.b}`;
  }

  // -- one against another -------------------------------------------------------------------------------------------

  function drawVersus(maps, info) {
    const [a, b] = [sides[state.a], sides[state.b]];
    const [one, other] = [a, b].map((side) => (side.m === null ? null : maps[side.m]));
    const { kind } = state;
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
    const unit = kind === "error" ? " levels" : "";
    const digits = kind === "error" ? 1 : 3;
    drawBar($("versus-bar"), data.versus, [`${b.label} better`, "equal", `${a.label} better`], `Colours: orange where ${b.label} is better, white where both are equal, purple where ${a.label} is better`);
    const share = (count) => `${Math.round((100 * count) / sizes.length)} %`;
    $("versus-words").textContent = `${info.title}: ${a.label} is better on ${share(better)} of the pixels, ${b.label} on ${share(worse)}. Full colour: ${text(top, digits)}${unit} and more.`;
    canvas.setAttribute("aria-label", $("versus-words").textContent);
  }

  function drawPair() {
    const size = sizeNow();
    const zoom = Number(getComputedStyle(document.documentElement).getPropertyValue("--zoom")) || 1;
    $("pair-section").hidden = sides.length < 2;
    // Whole multiples, so that pixels stay square; at least as large as a face can be judged by, and never wider than
    // the page: what was cut off there could not be compared.
    const room = $("pair-section").clientWidth / size[0];
    const times = Math.min(Math.max(zoom, Math.floor(384 / Math.max(...size)), 1), room < 1 ? room : Math.floor(room));
    document.documentElement.style.setProperty("--pair-zoom", times || 1);
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
    drawMaps();
  }

  if (isMean) $("versus").after(...overlay());

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
  addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return; // a link within the page
    readAddress();
    for (const radio of document.getElementsByName("kind")) radio.checked = radio.value === state.kind;
    draw();
  });
  document.addEventListener("zoomed", drawPair);
  addEventListener("resize", drawPair);
  draw();
})();
