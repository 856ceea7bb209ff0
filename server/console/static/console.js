// What pages cannot do without a script: a file that is dropped, and rows that come by themselves.
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

// Asked again only while somebody looks, and never twice at once. A failure is told, and tried again.
for (const place of document.querySelectorAll("[data-live]")) {
  const button = document.querySelector(`[data-pause="${place.id}"]`);
  let paused = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Go on" : "Pause";
  });
  const again = async () => {
    if (!paused && !document.hidden && !place.contains(document.activeElement)) {
      try {
        await htmx.ajax("GET", place.dataset.live, { target: place, swap: "innerHTML" });
        place.classList.remove("lost");
      } catch {
        place.classList.add("lost");
      }
    }
    setTimeout(again, 1000);
  };
  setTimeout(again, 1000);
}

document.body.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) location.reload();
});
