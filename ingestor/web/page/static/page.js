// Keeps the page fresh while somebody looks at it, and says times as this machine's clock does.
// Everything works without it: each page says from when it is, and a reload shows the rest.
"use strict";

const LEAST_MS = 5000;
const REST = 20; // times as long as an answer took, so that looking costs the service at most a twentieth
const shown = new Map(); // what each part that can change was served as, by its id

function localTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.title = new Date(time.dateTime).toLocaleString();
  }
}

function live(root) {
  return [...root.querySelectorAll("[data-live]")];
}

function remember() {
  shown.clear();
  for (const part of live(document)) shown.set(part.id, part.innerHTML);
}

// Somebody is at it: it keeps its focus, and a table that was opened stays open.
function busy(part) {
  return part.contains(document.activeElement) || part.querySelector("details[open]") !== null;
}

function takeIn(fresh) {
  const loggedIn = (page) => page.querySelector("form.out") !== null;
  if (loggedIn(fresh) !== loggedIn(document)) {
    location.reload(); // the login has ended, or another has begun
    return;
  }
  const parts = new Map(live(fresh).map((part) => [part.id, part]));
  if (parts.size !== shown.size || [...shown.keys()].some((id) => !parts.has(id))) {
    const main = document.getElementById("main");
    if (!busy(main)) {
      main.replaceChildren(...document.importNode(fresh.getElementById("main"), true).childNodes);
      remember();
    }
    return;
  }
  for (const part of live(document)) {
    const other = parts.get(part.id);
    if (shown.get(part.id) !== other.innerHTML && !busy(part)) {
      shown.set(part.id, other.innerHTML);
      part.replaceChildren(...document.importNode(other, true).childNodes);
    }
  }
}

async function refresh() {
  if (document.visibilityState !== "visible") return LEAST_MS;
  const began = performance.now();
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.redirected) {
    location.reload();
    return LEAST_MS;
  }
  if (!answer.ok) return LEAST_MS * 6;
  takeIn(new DOMParser().parseFromString(await answer.text(), "text/html"));
  localTimes();
  return Math.max(LEAST_MS, REST * (performance.now() - began));
}

async function keepFresh() {
  let wait = LEAST_MS * 6; // while the service is away
  try {
    wait = await refresh();
  } catch {
    // Tried again later.
  } finally {
    setTimeout(keepFresh, wait);
  }
}

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

remember();
localTimes();
if (document.querySelector("main [data-live]") !== null) setTimeout(keepFresh, LEAST_MS);
