"use strict";

// What the gallery and the page of one image share.
window.facesr = window.facesr || {};

facesr.make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

facesr.number = (value) => (value === "inf" ? Infinity : value === "-inf" ? -Infinity : value);

facesr.text = (value, digits) => {
  if (value === Infinity) return "∞";
  return value === -Infinity ? "−∞" : value.toFixed(digits).replace("-", "−");
};

// The numbers of method `m` on image `i`, the best of the image in bold; a dash says why there is none.
facesr.numbers = (m, i) => {
  const { make, number, text, section } = facesr;
  const list = make("dl");
  for (const metric of section.metrics) {
    const values = section.methods.map((method) => number(method.values[metric.name][i]));
    const cell = make("dd");
    if (values[m] === null) {
      const reasons = section.methods[m].reasons[metric.name];
      const reason = (typeof reasons === "object" ? reasons[i] : reasons) || "not computed in this run";
      cell.append(make("span", { title: reason }, "–", make("span", { class: "vh" }, ` ${reason}`)));
    } else {
      const all = values.filter((each) => each !== null);
      const best = metric.higher === null || all.length < 2 ? null : metric.higher ? Math.max(...all) : Math.min(...all);
      const shown = text(values[m], metric.digits);
      cell.append(values[m] === best ? make("b", {}, shown) : shown);
    }
    list.append(make("dt", {}, metric.title), cell);
  }
  return list;
};
