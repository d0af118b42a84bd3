"use strict";

// What every script needs; it comes before all of them.
window.facesr = window.facesr || {};

facesr.make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

// What a reader chose, kept from page to page where the browser allows it: private windows refuse, and a choice then holds
// for its page.
facesr.kept = (name) => {
  try {
    return localStorage.getItem(`facesr-bench-${name}`);
  } catch {
    return null;
  }
};

// A value of null: forget it.
facesr.keep = (name, value) => {
  try {
    if (value === null) localStorage.removeItem(`facesr-bench-${name}`);
    else localStorage.setItem(`facesr-bench-${name}`, value);
  } catch {
    // see above
  }
};
