"use strict";

// Light or dark as the system has it, until the reader chooses; choosing what the system has follows it again.
(() => {
  document.documentElement.classList.add("scripted");
  const KEY = "facesr-bench-theme";
  const sheet = document.getElementById("dark");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.createElement("button");
  button.type = "button";
  let chosen = null;
  try {
    chosen = localStorage.getItem(KEY);
  } catch {
    chosen = null;
  }

  const isDark = () => (chosen === null ? system.matches : chosen === "dark");

  function show() {
    sheet.media = isDark() ? "screen" : "not all";
    button.textContent = isDark() ? "Light colours" : "Dark colours";
  }

  button.addEventListener("click", () => {
    const wanted = isDark() ? "light" : "dark";
    chosen = (wanted === "dark") === system.matches ? null : wanted;
    show();
    try {
      if (chosen === null) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, chosen);
    } catch {
      // private windows refuse it; the choice then holds for this page
    }
  });
  system.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => document.querySelector("nav.top").append(button));
  show();
})();
