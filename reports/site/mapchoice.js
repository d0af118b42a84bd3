"use strict";

// Which map stands below the pictures of a gallery. Without this script it is the PSNR map.
(() => {
  const data = window.facesr && facesr.section;
  const choice = document.getElementById("map-kinds");
  if (!data || !choice || data.kinds.length < 2) return;
  const { make, maps, sized } = facesr;
  const [written] = data.kinds; // what the page's pictures are
  const heat = facesr.table(data.colours);
  const main = document.getElementById("main");
  const bar = document.getElementById("map-scale");
  const asWritten = [...bar.childNodes].map((node) => node.cloneNode(true));
  const label = bar.getAttribute("aria-label");
  let kind = written;

  // The picture of the PSNR map, or in its place a canvas of another kind's.
  async function show(image) {
    const wanted = kind;
    const drawn = wanted === written ? null : await maps.ofPicture(image).catch(() => null);
    if (wanted !== kind) return; // the reader has gone on
    for (const old of image.parentNode.querySelectorAll("canvas, .blank")) old.remove();
    image.hidden = wanted !== written;
    if (wanted === written) return;
    const { w = image.getAttribute("width"), h = image.getAttribute("height") } = image.dataset;
    const words = `${kind.title}${image.alt.slice(written.title.length)}`;
    const canvas = sized(make("canvas", { class: "px map", role: "img", "aria-label": words }), [Number(w), Number(h)]);
    if (maps.paint(canvas, drawn, kind, heat, kind.end)) image.after(canvas);
    else image.after(sized(make("div", { class: "blank" }, `no ${kind.title}`), [Number(w), Number(h)]));
  }

  // Only what is in sight is drawn: a page holds hundreds.
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        watcher.unobserve(target);
        show(target.querySelector("img.map"));
      }
    },
    { rootMargin: "50% 0px" },
  );

  function refresh() {
    watcher.disconnect();
    for (const image of main.querySelectorAll("img.map")) watcher.observe(image.closest("figure"));
  }

  function choose(name) {
    kind = data.kinds.find((each) => each.name === name) ?? written;
    for (const radio of choice.querySelectorAll("input")) radio.checked = radio.value === kind.name;
    if (kind === written) {
      bar.replaceChildren(...asWritten.map((node) => node.cloneNode(true)));
      bar.setAttribute("aria-label", label);
    } else {
      bar.querySelector("p").textContent = `${kind.title}: ${kind.words}`;
      maps.bar(bar, kind, data.colours, kind.end, " and worse");
    }
    refresh();
  }

  for (const each of data.kinds) {
    const radio = make("input", { type: "radio", name: "map", value: each.name });
    radio.addEventListener("change", () => {
      choose(each.name);
      facesr.keep("map", each.name);
    });
    choice.append(make("label", {}, radio, ` ${each.title}`));
  }
  choice.hidden = false;
  new MutationObserver(refresh).observe(main, { childList: true });
  choose(facesr.kept("map"));
})();
