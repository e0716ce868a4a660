"use strict";
/* Trials from a folder on disk. Answers are kept in this browser until they are saved as a file. */

(function () {
  const find = (id) => document.getElementById(id);
  const client = JSON.parse(find("study").dataset.client);
  let store = null;   // {participant, form, consented_at, device, answers}
  let trials = [];

  function key(form) {
    return `thbench ${client.export} ${form}`;
  }

  function recall(form) {
    try {
      return JSON.parse(localStorage.getItem(key(form)));
    } catch (_) {
      return null;
    }
  }

  function remember() {
    try {
      localStorage.setItem(key(store.form), JSON.stringify(store));
    } catch (_) {
      // a browser without storage keeps answers for as long as the page is open
    }
  }

  function randomId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function state() {
    if (!store.device) return { phase: "start" };
    const place = store.answers.length;
    if (place === trials.length) return { phase: "end" };
    const { right, ...trial } = trials[place];
    return { phase: "trial", trial: { ...trial, next: place + 1 < trials.length ? trials[place + 1].token : null } };
  }

  function finish() {
    find("instructions").hidden = find("trial").hidden = true;
    find("done").hidden = false;
    find("save").focus();
  }

  function save() {
    const result = {
      export: client.export, form: store.form, participant: store.participant, consent: client.consent,
      consented_at: store.consented_at, device: store.device, answers: store.answers,
    };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(result)], { type: "application/json" }));
    link.download = `answers-${store.form}-${store.participant.slice(0, 8)}.json`;
    link.click();
  }

  const backend = {
    state: async () => state(),
    start: async (device) => {
      store.device = device;
      remember();
      return state();
    },
    answer: async (answer) => {
      const answered = trials[store.answers.length];
      if (!answered || answered.token !== answer.trial) return { ...state(), conflict: true };
      store.answers.push(answer);
      remember();
      return { ...state(), right: answered.right };
    },
    picture: (token) => `pictures/${token}.jpg`,
    finished: finish,
  };

  window.receiveForm = (shown) => {
    trials = shown;
    find("consent").hidden = true;
    runStudy(backend);
  };

  function enter() {
    const form = Number(find("form").value);
    if (!find("agree").checked || !Number.isInteger(form) || form < 1 || form > client.forms) {
      find("notice").textContent = "Please enter your number and tick the box if you agree.";
      find("notice").hidden = false;
      return;
    }
    find("notice").hidden = true;
    store = recall(form) || { participant: randomId(), form, consented_at: Math.floor(Date.now() / 1000), device: null,
      answers: [] };
    const script = document.createElement("script");
    script.src = `forms/${form}.js`;
    document.body.append(script);
  }

  find("enter").onclick = enter;
  find("save").onclick = save;
  const given = new URLSearchParams(location.search).get("form");
  if (given) find("form").value = given;
})();
