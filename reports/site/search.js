"use strict";

// Search over methods, leaderboards and images from every page: no server is asked. What there is comes as a script, when
// somebody begins to search. "/" goes to the field, arrows through what was found, Enter opens it.
(() => {
  const MOST = 12;
  const place = new URL("..", document.currentScript.src);
  const nav = document.querySelector("nav.top");
  const { make } = facesr;
  const field = make("input", { type: "search", id: "find", role: "combobox", autocomplete: "off", "aria-label": "Search methods and images", "aria-expanded": "false", "aria-controls": "finds", "aria-autocomplete": "list", placeholder: "Search  /" });
  const list = make("ul", { id: "finds", role: "listbox", "aria-label": "Found" });
  const said = make("p", { class: "vh", role: "status" });
  const more = make("p", { class: "quiet", "aria-hidden": "true" });
  const box = make("div", { class: "finds" }, list, more);
  box.hidden = true;
  nav.append(make("div", { class: "find", role: "search" }, field, box, said));

  let entries = null;
  let chosen = -1;
  let loading = null;

  function load() {
    loading ??= new Promise((resolve) => {
      const script = make("script", { src: new URL("search-index.js", place).href });
      script.onload = script.onerror = () => {
        const { methods = [], boards = [] } = facesr.index ?? {};
        const several = boards.length > 1;
        entries = [
          ...methods.map(({ label, words, link }) => ({ kind: "method", text: label, also: words, link })),
          ...boards.map(({ protocol, profile, link }) => ({ kind: "leaderboard", text: protocol, also: profile, link })),
          ...boards.flatMap(({ protocol, profile, image, ids }) => ids.map((id) => ({ kind: "image", text: id, also: several ? `${protocol} ${profile}` : "", link: `${image}#${new URLSearchParams({ image: id })}` }))),
        ].map((entry) => ({ ...entry, searched: `${entry.text} ${entry.also}`.toLowerCase() }));
        resolve();
      };
      document.head.append(script);
    });
    return loading;
  }

  function choose(next) {
    const options = [...list.children];
    chosen = options.length ? (next + options.length) % options.length : -1;
    options.forEach((option, index) => option.setAttribute("aria-selected", String(index === chosen)));
    if (chosen < 0) field.removeAttribute("aria-activedescendant");
    else {
      field.setAttribute("aria-activedescendant", options[chosen].id);
      options[chosen].scrollIntoView({ block: "nearest" });
    }
  }

  function open(entry) {
    show(false);
    location.assign(new URL(entry.link, place));
  }

  function show(shown) {
    box.hidden = !shown;
    field.setAttribute("aria-expanded", String(shown));
  }

  async function search() {
    await load();
    const words = field.value.toLowerCase().split(" ").filter(Boolean);
    if (!words.length) {
      list.replaceChildren();
      said.textContent = "";
      show(false);
      return;
    }
    const found = entries.filter((entry) => words.every((word) => entry.searched.includes(word)));
    // What begins with the word before what has it somewhere; else as they stand: methods, leaderboards, images.
    const first = (entry) => entry.text.toLowerCase().startsWith(words[0]);
    const ordered = [...found.filter(first), ...found.filter((entry) => !first(entry))];
    list.replaceChildren(
      ...ordered.slice(0, MOST).map((entry, index) => {
        const option = make("li", { id: `find-${index}`, role: "option", "aria-selected": "false" }, make("span", { class: "kind" }, entry.kind), entry.text, make("span", { class: "quiet" }, entry.also && ` ${entry.also}`));
        option.addEventListener("click", () => open(entry));
        return option;
      }),
    );
    const count = ordered.length === 0 ? "nothing found" : ordered.length > MOST ? `${MOST} of ${ordered.length}` : `${ordered.length} found`;
    more.textContent = ordered.length && ordered.length <= MOST ? "" : count;
    said.textContent = count;
    list.hidden = !ordered.length;
    choose(0);
    show(true);
  }

  field.addEventListener("focus", load);
  field.addEventListener("input", search);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !box.hidden) {
      event.preventDefault();
      show(false);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (box.hidden) search();
      else choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter" && chosen >= 0 && !box.hidden) {
      event.preventDefault();
      list.children[chosen].click();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".find")) show(false);
  });
  field.addEventListener("blur", (event) => {
    if (!event.relatedTarget || !event.relatedTarget.closest(".find")) setTimeout(() => show(false), 200);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=radio], [type=checkbox], [type=range]), select, textarea")) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
})();
