"use strict";
/* Trials from the server. A state is {phase: "start" | "full" | "end"} or {phase: "trial", trial: {token, practice,
   number, total, instructed, next}}; after practice it also says which picture was `right`. */

(function () {
  const csrf = document.getElementById("study").dataset.csrf;

  async function ask(path, body) {
    const options = { cache: "no-store", credentials: "same-origin" };
    if (body) {
      options.method = "POST";
      options.headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
      options.body = JSON.stringify(body);
    }
    const response = await fetch(path, options);
    if (response.status === 409 || response.status === 410) {
      return { ...(await response.json()), conflict: response.status === 409 };
    }
    if (response.ok) return response.json();
    const error = new Error(`The server does not accept this (${response.status}). Please reload the page.`);
    error.final = response.status < 500 && response.status !== 429;
    throw error;
  }

  runStudy({
    state: () => ask("/api/state"),
    start: (device) => ask("/api/start", device),
    answer: (answer) => ask("/api/answer", answer),
    picture: (token) => `/picture/${token}`,
    finished: (state) => location.replace(state.phase === "full" ? "/full" : "/end"),
  });
})();
