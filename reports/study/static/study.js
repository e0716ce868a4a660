"use strict";
/* The page of a study: instructions, practice, trials. Where trials come from and answers go is a backend's business:
   state(), start(device), answer(answer), picture(token), finished(), each returning what server.js describes. */

function runStudy(backend) {
  const find = (id) => document.getElementById(id);
  const client = JSON.parse(find("study").dataset.client);
  const panels = [...document.querySelectorAll(".panel")];
  const loaded = new Map();
  let trial = null;
  let open = false;      // whether an answer is taken now
  let shownAt = 0;
  let blurs = 0;
  let mask = 0;

  function show(section) {
    for (const name of ["instructions", "trial"]) find(name).hidden = name !== section;
  }

  function notice(text) {
    find("notice").textContent = text;
    find("notice").hidden = !text;
  }

  function accept(now) {
    open = now;
    find("panels").setAttribute("aria-busy", String(!now));
  }

  function layout() {
    const size = client.panel;
    const wide = (document.documentElement.clientWidth - 32 - 2 * 16 - 18) / 3;
    const high = window.innerHeight - 210;
    const column = wide < size && window.innerHeight > window.innerWidth;
    const room = column ? Math.min(document.documentElement.clientWidth - 38, (high - 16) / 3) : Math.min(wide, high);
    const whole = Math.min(2, Math.floor(Math.min(wide, high) / size));   // whole multiples keep pixels sharp
    const shown = whole >= 1 && !column ? whole * size : Math.max(96, Math.floor(room));
    find("panels").classList.toggle("column", column);
    for (const panel of panels) {
      const canvas = panel.firstElementChild;
      canvas.style.width = canvas.style.height = shown + "px";
    }
    return shown / size;
  }

  function device() {
    return {
      width: window.innerWidth, height: window.innerHeight, pixel_ratio: window.devicePixelRatio,
      zoom: window.visualViewport ? window.visualViewport.scale : 1, scale: layout(),
      touch: navigator.maxTouchPoints > 0,
    };
  }

  function load(token) {
    if (!loaded.has(token)) {
      const picture = new Image();
      picture.src = backend.picture(token);
      loaded.set(token, picture.decode().then(() => picture));
    }
    return loaded.get(token);
  }

  function draw(picture) {
    panels.forEach((panel, index) => {
      const canvas = panel.firstElementChild;
      canvas.width = canvas.height = client.panel;
      const left = index * (client.panel + client.gap);
      if (picture) {
        canvas.getContext("2d").drawImage(picture, left, 0, client.panel, client.panel, 0, 0, client.panel,
          client.panel);
      }
    });
  }

  const nextFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const wait = (time) => new Promise((resolve) => setTimeout(resolve, time));

  async function present(next) {
    trial = next;
    accept(false);
    clearTimeout(mask);
    draw(null);
    show("trial");
    layout();
    for (const panel of panels) panel.classList.remove("chosen", "right");
    find("verdict").textContent = "";
    find("next").hidden = true;
    find("question").textContent = trial.instructed
      ? `This one checks that you read along: please choose picture ${trial.instructed}.` : client.question;
    find("count").textContent = trial.practice ? "Practice" : `${trial.number + 1} of ${trial.total}`;
    find("bar").max = trial.total;
    find("bar").value = Math.max(0, trial.number);
    let picture;
    for (let pause = 500; !picture; pause = Math.min(2 * pause, 8000)) {
      try {
        picture = await load(trial.token);
      } catch (_) {
        loaded.delete(next.token);
        notice("The picture does not load. Trying again…");
        await wait(pause);
        if (trial !== next) return;
        notice("");
      }
    }
    if (trial !== next) return;
    loaded.delete(next.token);
    if (client.exposure) await wait(600);
    draw(picture);
    await nextFrame();
    shownAt = performance.now();
    blurs = 0;
    if (client.exposure) mask = setTimeout(() => draw(null), client.exposure);
    if (next.next) load(next.next).catch(() => loaded.delete(next.next));
    await wait(client.fastest);
    if (trial === next) accept(true);
  }

  async function choose(position, input) {
    const time = performance.now() - shownAt;
    if (!open) return;
    accept(false);
    panels[position - 1].classList.add("chosen");
    const answered = trial;
    const state = await persistently(() => backend.answer({
      trial: answered.token, choice: position, response_ms: Math.round(time), input, blurs,
    }));
    if (trial !== answered) return;
    if (state.conflict) notice("This round was answered in another window. Here is the next one.");
    if (state.right && answered.practice) {
      explain(position, state);
    } else {
      follow(state);
    }
  }

  function explain(position, state) {
    panels[state.right - 1].classList.add("right");
    find("verdict").textContent = position === state.right
      ? "Right: this one was made by a computer." : `It was picture ${state.right} that was made by a computer.`;
    find("next").hidden = false;
    find("next").onclick = () => { find("next").hidden = true; follow(state); };
    find("next").focus();
  }

  async function persistently(request) {
    for (let pause = 500; ; pause = Math.min(2 * pause, 8000)) {
      try {
        const state = await request();
        notice("");
        return state;
      } catch (error) {
        if (error.final) {
          notice(error.message);
          throw error;
        }
        notice("The connection is lost. Trying again; your answers are safe…");
        await wait(pause);
      }
    }
  }

  function follow(state) {
    if (state.phase === "trial") {
      if (trial === null || state.trial.token !== trial.token) present(state.trial);
    } else if (state.phase === "start") {
      instruct();
    } else {
      accept(false);
      backend.finished(state);
    }
  }

  function instruct() {
    const small = window.innerWidth < client.width;
    find("small").hidden = !small;
    find("anyway").hidden = client.refuse;
    find("begin").disabled = small && client.refuse;
    find("begin").onclick = async () => {
      find("begin").disabled = true;
      follow(await persistently(() => backend.start(device())));
    };
    show("instructions");
    find("begin").focus();
  }

  async function refresh() {
    follow(await persistently(() => backend.state()));
  }

  for (const panel of panels) {
    panel.addEventListener("click", (event) => {
      const kinds = { mouse: "mouse", pen: "mouse", touch: "touch" };
      choose(Number(panel.dataset.position), kinds[event.pointerType] || "key");
    });
  }
  document.addEventListener("keydown", (event) => {
    const plain = !event.repeat && !event.ctrlKey && !event.altKey && !event.metaKey;
    if (plain && ["1", "2", "3"].includes(event.key)) choose(Number(event.key), "key");
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) blurs += 1; });
  window.addEventListener("blur", () => { blurs += 1; });
  window.addEventListener("resize", () => {
    layout();
    if (!find("instructions").hidden) instruct();
  });
  window.addEventListener("pageshow", (event) => { if (event.persisted) refresh(); });
  refresh();
}
