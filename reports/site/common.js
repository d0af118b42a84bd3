"use strict";

// What the gallery and the page of one image share.
window.facesr = window.facesr || {};

facesr.make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

// What a template of the page holds, to be filled in.
facesr.pattern = (name) => document.getElementById(`${name}-pattern`).content.firstElementChild.cloneNode(true);

facesr.number = (value) => (value === "inf" ? Infinity : value === "-inf" ? -Infinity : value);

facesr.text = (value, digits) => {
  if (value === Infinity) return "∞";
  return value === -Infinity ? "−∞" : value.toFixed(digits).replace("-", "−");
};

// The numbers of method `m` on image `i`, the best of the image in bold; a dash says why there is none.
facesr.numbers = (m, i) => {
  const { make, number, text, section } = facesr;
  const list = facesr.pattern("numbers");
  section.metrics.forEach((metric, place) => {
    const cell = list.querySelectorAll("dd")[place];
    const value = number(section.methods[m].values[metric.name][i]);
    if (value === null) {
      const reasons = section.methods[m].reasons[metric.name];
      const reason = (typeof reasons === "object" ? reasons[i] : reasons) || "not computed in this run";
      cell.firstElementChild.title = reason;
      cell.querySelector(".vh").textContent = ` ${reason}`;
    } else {
      const shown = text(value, metric.digits);
      cell.replaceChildren(section.best[metric.name][i].includes(m) ? make("b", {}, shown) : shown);
    }
  });
  return list;
};
