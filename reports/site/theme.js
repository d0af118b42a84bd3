"use strict";

// Light or dark as the system has it, until the reader chooses; choosing what the system has follows it again.
(() => {
  document.documentElement.classList.add("scripted");
  const sheet = document.getElementById("dark");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = facesr.make("button", { type: "button" });
  let chosen = facesr.kept("theme");

  const isDark = () => (chosen === null ? system.matches : chosen === "dark");

  function show() {
    sheet.media = isDark() ? "screen" : "not all";
    button.textContent = isDark() ? "Light colours" : "Dark colours";
  }

  button.addEventListener("click", () => {
    const wanted = isDark() ? "light" : "dark";
    chosen = (wanted === "dark") === system.matches ? null : wanted;
    show();
    facesr.keep("theme", chosen);
  });
  system.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => document.querySelector("nav.top").append(button));
  show();
})();
