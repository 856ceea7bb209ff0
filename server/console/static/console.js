// What pages cannot do without a script: a file that is dropped, and what comes by itself.
"use strict";

for (const place of document.querySelectorAll("[data-import]")) {
  const told = place.querySelector("[role=status]");
  const file = place.querySelector("input[type=file]");
  const replace = place.querySelector("[name=replace]");
  const send = async (chosen) => {
    if (!chosen) return;
    told.textContent = `Importing ${chosen.name} …`;
    try {
      const answer = await fetch(`${place.dataset.import}?replace=${replace.checked}`, {
        method: "PUT",
        headers: { "X-CSRF-Token": place.dataset.csrf, "Content-Type": "application/x-tar" },
        body: chosen,
      });
      const found = await answer.json();
      if (answer.ok) location.assign(found.next);
      else told.textContent = found.failed;
    } catch {
      told.textContent = "The file did not arrive. Try again.";
    }
  };
  file.addEventListener("change", () => send(file.files[0]));
  place.addEventListener("dragover", (event) => { event.preventDefault(); place.classList.add("over"); });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    send(event.dataTransfer.files[0]);
  });
}

// A file whose text goes into a field.
for (const place of document.querySelectorAll("[data-read]")) {
  const field = document.getElementById(place.dataset.read);
  const file = place.querySelector("input[type=file]");
  const read = async (chosen) => {
    if (!chosen) return;
    field.value = await chosen.text();
    const title = document.getElementById("title");
    if (title && !title.value) title.value = chosen.name.slice(0, 200);
    field.focus();
  };
  file.addEventListener("change", () => read(file.files[0]));
  place.addEventListener("dragover", (event) => { event.preventDefault(); place.classList.add("over"); });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    read(event.dataTransfer.files[0]);
  });
}

// An event stream, open only while somebody looks at the page. It goes on after a restart or a lost connection;
// a login that is over ends it. `path` is asked for anew each time: it may say after what to go on.
// A stream of which something comes each second is `lively`: one that is silent for long is lost, though nobody said so.
const SILENCE_MS = 15000;
const follow = (path, events, told, lively = false) => {
  let source = null, paused = false, again = 0, silence = 0;
  const close = () => { clearTimeout(again); clearTimeout(silence); source?.close(); source = null; };
  const alive = () => {
    clearTimeout(silence);
    if (lively) silence = setTimeout(() => { close(); told("lost"); open(); }, SILENCE_MS);
  };
  const gone = async () => {
    close();
    let status = 0;
    try { status = (await fetch(location.href, { method: "HEAD" })).status; } catch { /* told as lost */ }
    if (status === 401) { told("over"); return; }
    told("lost");
    again = setTimeout(open, 3000);
  };
  const open = () => {
    if (source || paused || document.hidden) return;
    source = new EventSource(path());
    alive();
    for (const [name, heard] of Object.entries(events)) {
      source.addEventListener(name, (event) => { alive(); heard(JSON.parse(event.data), event.lastEventId); });
    }
    source.addEventListener("problem", (event) => told("full", JSON.parse(event.data).body.detail));
    source.addEventListener("open", () => told("live"));
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) gone();
      else told("lost");
    });
  };
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else open(); });
  open();
  return (stop) => { paused = stop; if (stop) { close(); told("paused"); } else open(); };
};

// What a person is told of the stream.
const STATES = {
  live: "Live", paused: "Paused", lost: "The connection was lost. Trying again …",
  over: "Your login is over. Load the page again to log in.",
};

// Traffic: rows come on top, the oldest go; a row that somebody is at stays.
for (const body of document.querySelectorAll("[data-live]")) {
  const state = document.getElementById("live-state");
  const button = document.getElementById("pause");
  const table = document.getElementById("live");
  const told = (what, why) => { state.textContent = why ?? STATES[what]; state.dataset.state = what; };
  const requests = ({ rows, skipped, first, counted_since: since }) => {
    if (first) document.getElementById("counted").textContent = new Date(since * 1000).toISOString().slice(11, 19);
    const made = document.createElement("template");
    made.innerHTML = rows;  // made by the service, which escapes
    const known = first ? new Set([...body.rows].map((row) => row.dataset.id)) : new Set();
    body.prepend(...[...made.content.children].filter((row) => !known.has(row.dataset.id)));
    for (const row of [...body.rows].slice(100)) if (!row.contains(document.activeElement)) row.remove();
    document.getElementById("none").hidden = body.rows.length > 0;
    table.hidden = !body.rows.length;
    if (skipped) told("live", `Live; ${skipped.toLocaleString("en-US")} more came at once and are not shown`);
  };
  const path = () => `${body.dataset.live}${body.dataset.live.includes("?") ? "&" : "?"}after=${window.lastPoint?.() ?? 0}`;
  const pause = follow(path, { requests, second: (point) => window.addPoint?.(point) }, told, true);
  button.hidden = false;
  button.addEventListener("click", () => {
    const stop = button.textContent === "Pause";
    button.textContent = stop ? "Go on" : "Pause";
    pause(stop);
  });
}

// A collection: that others have changed it is said; the table stays as it is until somebody wants the new one.
for (const place of document.querySelectorAll("[data-changes]")) {
  const said = place.querySelector("[role=status]");
  const button = place.querySelector("button");
  let { since } = place.dataset, records = 0, many = false, state = "lost";
  const show = () => {
    const what = many ? "Records have" : records === 1 ? "1 record has" : `${records} records have`;
    said.textContent = many || records ? `${what} changed since.` : STATES[state];
    button.hidden = !(many || records);
  };
  const change = ({ collections }, id) => {
    since = id;
    if (!(place.dataset.collection in collections)) return;
    const addresses = collections[place.dataset.collection];
    if (addresses === null) many = true;
    else records += addresses.length;
    show();
  };
  const whole = (_event, id) => { since = id; many = true; show(); };
  const told = (what) => {
    state = place.dataset.state = what;
    if (what === "full") said.textContent = "Too many pages look on: this one does not follow changes.";
    else show();
  };
  follow(() => `${place.dataset.changes}?since=${since}`, { change, session: whole, gap: whole }, told);
  document.body.addEventListener("htmx:sendError", () => { said.textContent = "The records did not come. Try again."; });
  document.body.addEventListener("htmx:afterSwap", () => {
    records = 0;
    many = false;
    show();
    said.textContent = "The records as they are now.";
    document.querySelector("#records [tabindex]")?.focus();
  });
}

// Whoever has pressed a button sees that something is done, and cannot have it done twice.
document.addEventListener("submit", (event) => {
  if (event.submitter?.getAttribute("aria-busy")) event.preventDefault();
  else event.submitter?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
});

document.body.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) location.reload();
});
