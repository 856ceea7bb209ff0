// Shows the API of the session that the page's query names; without one, of the session that the token gives.
// Where there is nothing yet, it helps with the first steps: a name, what can be asked, the first record.
"use strict";

const session = new URLSearchParams(location.search).get("session") || "";
const source = "/openapi.json?types=learned" + (session ? "&session=" + encodeURIComponent(session) : "");
const start = document.querySelector("#start");

document.querySelector("#session-form input").value = session;
const other = document.querySelector("#session-form a");
if (session) other.href += "?session=" + encodeURIComponent(session);

function hint(text) {
  document.querySelector("#hint").textContent = text;
}

function show(spec) {
  const node = document.querySelector("#api");
  if (typeof SwaggerUIBundle === "undefined") {
    Redoc.init(spec, { hideDownloadButtons: true, nativeScrollbars: true }, node);
    return;
  }
  const ui = SwaggerUIBundle({
    spec,
    domNode: node,
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    // What the browser itself remembers of a login is for these pages, and not for the API.
    requestInterceptor: (request) => Object.assign(request, { credentials: "omit" }),
    onComplete: () => session && ui.preauthorizeApiKey("session", session),
  });
}

// A name that nobody has by chance: words to read, and letters that are not guessed.
function newName() {
  const letters = Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => (byte % 36).toString(36));
  return "try-" + letters.join("");
}

function offerStart(secured) {
  const name = session || newName();
  start.hidden = false;
  if (!session) document.querySelector("#session-form input").value = name;
  for (const place of start.querySelectorAll(".session-name")) place.textContent = name;
  start.querySelector(".token").hidden = !secured;
  start.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    makeFirst(name, new FormData(event.target));
  });
}

async function makeFirst(name, form) {
  const said = start.querySelector("output");
  try {
    JSON.parse(form.get("record"));
  } catch (error) {
    said.textContent = "The record is not JSON yet: " + error.message;
    return;
  }
  const headers = { "Content-Type": "application/json", "X-Session-ID": name };
  if (form.get("token")) headers.Authorization = "Bearer " + form.get("token");
  const path = "/" + form.get("collection");
  const answer = await fetch(path, { method: "POST", headers, body: form.get("record"), credentials: "omit" });
  if (answer.ok) {
    location.search = "?session=" + encodeURIComponent(name);
    return;
  }
  const problem = await answer.json().catch(() => ({}));
  said.textContent = answer.status + ": " + (problem.detail || answer.statusText);
  if (answer.status === 401) start.querySelector(".token").hidden = false;
}

fetch(source)
  .then(async (answer) => {
    const document_ = await answer.json(); // the OpenAPI document, or a problem
    const isMissing = !answer.ok && document_.type.endsWith("/session-missing");
    if (isMissing) {
      hint("Which session's API is it to be? Name one above, or begin a new one here.");
      offerStart(false);
    } else if (!answer.ok) {
      hint(document_.detail);
    } else {
      if (!Object.keys(document_.paths).length) {
        offerStart("bearer" in document_.components.securitySchemes);
      }
      show(document_);
    }
  })
  .catch(() => hint("The service cannot be reached."));
