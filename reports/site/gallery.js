"use strict";

// Sorts and filters the images of all pages. Until a choice is made, the page stays as it was written.
(() => {
  const data = window.facesr && facesr.section;
  if (!data || !data.methods.length) return;

  const { make, number, text, numbers, pattern, sized } = facesr;
  const $ = (id) => document.getElementById(id);
  const main = $("main");
  const written = [...main.childNodes];
  const above = $("pages-above");
  const below = $("pages-below");
  const pagesWritten = [above, below].map((place) => [...place.childNodes]);
  const form = $("filters");
  const found = $("found");

  const valueOf = (method, metric, i) => number(data.methods[method].values[metric][i]);

  // -- the choices ---------------------------------------------------------------------------------------------------

  const methodNames = data.methods.map((method) => method.label);
  const options = (names) => names.map((name, i) => make("option", { value: i }, name));
  const field = (title, control) => make("div", { class: "field" }, make("label", { for: control.id }, title), control);
  const by = make("select", { id: "by" });
  by.append(make("option", { value: "" }, "their order in the set"));
  data.metrics.forEach((metric, i) => {
    by.append(make("option", { value: `m${i}` }, metric.title));
    if (data.methods.length > 1) by.append(make("option", { value: `d${i}` }, `${metric.title}, difference of two methods`));
  });
  const first = make("select", { id: "first" }, ...options(methodNames));
  const second = make("select", { id: "second" }, ...options(methodNames));
  if (data.methods.length > 1) second.value = "1";
  const direction = make("select", { id: "direction" }, make("option", { value: "1" }, "smallest first"), make("option", { value: "-1" }, "largest first"));
  const show = make("select", { id: "show" }, make("option", { value: "" }, "all images"), make("option", { value: "failed" }, "failed with some method"), make("option", { value: "missing" }, "without some number"));
  const name = make("input", { type: "search", id: "name" });
  const firstField = field("Method A", first);
  const secondField = field("less method B", second);
  const directionField = field("Order", direction);
  form.append(field("Sort by", by), firstField, secondField, directionField, field("Show", show), field("Name contains", name));
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());

  // -- the address: a choice can be linked to ------------------------------------------------------------------------

  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    const metric = data.metrics.findIndex((each) => each.name === given.get("by"));
    const place = (key, otherwise) => String(methodNames.includes(given.get(key)) ? methodNames.indexOf(given.get(key)) : otherwise);
    const differ = given.has("less") && data.methods.length > 1;
    by.value = metric < 0 ? "" : `${differ ? "d" : "m"}${metric}`;
    first.value = place("method", 0);
    if (data.methods.length > 1) second.value = place("less", 1);
    direction.value = given.get("order") === "largest" ? "-1" : "1";
    show.value = ["failed", "missing"].includes(given.get("show")) ? given.get("show") : "";
    name.value = given.get("name") ?? "";
  }

  function writeAddress() {
    const kept = new URLSearchParams();
    if (by.value) {
      kept.set("by", data.metrics[Number(by.value.slice(1))].name);
      kept.set("method", methodNames[Number(first.value)]);
      if (by.value[0] === "d") kept.set("less", methodNames[Number(second.value)]);
      kept.set("order", direction.value === "1" ? "smallest" : "largest");
    }
    if (show.value) kept.set("show", show.value);
    if (name.value) kept.set("name", name.value);
    history.replaceState(null, "", `#${kept}`);
  }

  // -- which images, in which order ----------------------------------------------------------------------------------

  function key(i) {
    const metric = data.metrics[Number(by.value.slice(1))].name;
    const a = valueOf(Number(first.value), metric, i);
    if (by.value[0] === "m" || a === null) return a;
    const b = valueOf(Number(second.value), metric, i);
    if (b === null) return null;
    return a === b ? 0 : a - b;
  }

  function isShown(i) {
    if (name.value && !data.ids[i].toLowerCase().includes(name.value.toLowerCase())) return false;
    if (show.value === "failed") return data.methods.some((method) => i in method.errors);
    if (show.value === "missing") {
      return data.methods.some((method) => data.metrics.some((metric) => method.values[metric.name][i] === null));
    }
    return true;
  }

  function chosen() {
    const places = data.ids.map((_, i) => i).filter(isShown);
    if (!by.value) return places.map((i) => ({ i, key: null }));
    const sign = Number(direction.value);
    const keyed = places.map((i) => ({ i, key: key(i) }));
    keyed.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.i - b.i;
      return a.key === b.key ? a.i - b.i : sign * (a.key < b.key ? -1 : 1);
    });
    return keyed;
  }

  // -- plates: the page's own, filled in -----------------------------------------------------------------------------

  const file = (i) => encodeURIComponent(data.files[i]);

  // Fill in one picture, or put words in its place.
  function fill(image, words, size, source, alt) {
    if (words) {
      const box = pattern("blank");
      box.firstElementChild.textContent = words;
      Object.assign(sized(box, size).dataset, { w: size[0], h: size[1] });
      image.closest("a.open").replaceWith(box);
      return;
    }
    for (const [name, value] of Object.entries({ src: source, alt, width: size[0], height: size[1] })) image.setAttribute(name, value);
    sized(image, size);
  }

  function plate({ i, key: sorted }) {
    const size = typeof data.sizes[0] === "number" ? data.sizes : data.sizes[i];
    const id = data.ids[i];
    const article = pattern("plate");
    const heading = article.querySelector("h2");
    article.setAttribute("aria-labelledby", `i${i + 1}`);
    heading.id = `i${i + 1}`;
    heading.querySelector(".quiet").textContent = String(i + 1);
    for (const anchor of article.querySelectorAll("a")) anchor.href = `image.html#${new URLSearchParams({ image: id })}`;
    heading.querySelector(".label").textContent = id;
    if (sorted !== null) heading.append(make("span", { class: "quiet" }, ` ${text(sorted, data.metrics[Number(by.value.slice(1))].digits)}`));
    article.querySelector(".scroll").setAttribute("aria-label", `Pictures of ${id}`);
    const unsaved = (part, of) => (of.unsaved[part].includes(i) ? "not saved" : "");
    const [input, ...figures] = article.querySelectorAll("figure");
    fill(input.querySelector("img"), unsaved("lr", data), size, `${data.inputs}/lr/${file(i)}.png`, `${id}, low resolution`);
    input.querySelector(".quiet").textContent = size.map((side) => side / data.scale).join(" × ");
    data.methods.forEach((method, m) => {
      const [picture, map] = figures[m].querySelectorAll("img");
      fill(picture, method.errors[i] || unsaved("sr", method), size, `${method.sr}/${file(i)}.png`, `${id}, by ${method.label}`);
      if (map && i in method.errors) map.closest("a.open").remove();
      else if (map) {
        map.className = `map px of${data.block} at${i % data.block}`;
        fill(map, method.maps ? unsaved("maps", method) : "not saved", size, `${method.maps}/${Math.floor(i / data.block)}.png`, `PSNR map of ${method.label} on ${id}`);
      }
      const list = figures[m].querySelector("dl");
      if (list && i in method.errors) list.remove();
      else if (list) list.replaceWith(numbers(m, i));
    });
    if (data.truth) {
      const truth = figures[data.methods.length];
      fill(truth.querySelector("img"), unsaved("hr", data), size, `${data.inputs}/hr/${file(i)}.png`, `${id}, ground truth`);
      truth.querySelector(".quiet").textContent = size.join(" × ");
    }
    return article;
  }

  // -- the page ------------------------------------------------------------------------------------------------------

  let page = 0;

  function pager(count) {
    const nav = make("nav", { class: "pages", "aria-label": "Pages" });
    const step = (words, to, enabled) => {
      const button = make("button", { type: "button" }, words);
      button.disabled = !enabled;
      button.addEventListener("click", () => {
        page = to;
        draw();
        main.focus();
        scrollTo(0, 0);
      });
      return button;
    };
    if (count > 1) nav.append(step("← Previous", page - 1, page > 0), `page ${page + 1} of ${count}`, step("Next →", page + 1, page + 1 < count));
    return nav;
  }

  function draw() {
    const differ = by.value[0] === "d";
    firstField.hidden = !by.value;
    secondField.hidden = !differ;
    directionField.hidden = !by.value;
    firstField.querySelector("label").textContent = differ ? "Method A" : "Method";
    if (!by.value && !show.value && !name.value) {
      main.replaceChildren(...written);
      above.replaceChildren(...pagesWritten[0]);
      below.replaceChildren(...pagesWritten[1]);
      found.textContent = "";
      return;
    }
    const images = chosen();
    const count = Math.max(1, Math.ceil(images.length / data.perPage));
    page = Math.min(page, count - 1);
    main.replaceChildren(...images.slice(page * data.perPage, (page + 1) * data.perPage).map(plate));
    found.textContent = images.length === 1 ? "1 image" : images.length ? `${images.length} images` : "No image fits.";
    above.replaceChildren(pager(count));
    below.replaceChildren(pager(count));
  }

  for (const control of [by, first, second, direction, show, name]) {
    control.addEventListener("input", () => {
      // The largest error first is what people look for.
      if (control === by && by.value) {
        direction.value = by.value[0] === "d" ? "-1" : data.metrics[Number(by.value.slice(1))].higher === false ? "-1" : "1";
      }
      page = 0;
      writeAddress();
      draw();
    });
  }
  addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return; // a link within the page
    page = 0;
    readAddress();
    draw();
  });
  readAddress();
  draw();
})();
