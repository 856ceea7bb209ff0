// Shows the API of the session that the page's query names; without one, of the session that the token gives.
"use strict";

const session = new URLSearchParams(location.search).get("session") || "";
const source = "/openapi.json" + (session ? "?session=" + encodeURIComponent(session) : "");

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
  SwaggerUIBundle({
    spec,
    domNode: node,
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    // What the browser itself remembers of a login is for these pages, and not for the API.
    requestInterceptor: (request) => Object.assign(request, { credentials: "omit" }),
  });
}

fetch(source)
  .then(async (answer) => {
    const document_ = await answer.json(); // the OpenAPI document, or a problem
    if (answer.ok) show(document_);
    else if (document_.type.endsWith("/session-missing")) hint("Which session's API is it to be? Name it above.");
    else hint(document_.detail);
  })
  .catch(() => hint("The service cannot be reached."));
