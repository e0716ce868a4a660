"use strict";
document.documentElement.classList.add("script");
const live = document.getElementById("live");

// Sorting: numbers by value, missing ones last; rows that are pinned (the floor) stay at the end.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach(other => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].filter(row => !("pinned" in row.dataset));
    const pinned = [...body.rows].filter(row => "pinned" in row.dataset);
    const key = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
    rows.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = column === 0 ? x.localeCompare(y, undefined, { numeric: true }) : Number(x) - Number(y);
      return ascending ? order : -order;
    });
    body.append(...rows, ...pinned);
    table.classList.add("sorted");
    live.textContent = `sorted by ${head.querySelector("button").textContent}, ${ascending ? "ascending" : "descending"}`;
  }));
}

for (const box of document.querySelectorAll("input[data-intervals]")) {
  const tables = document.querySelectorAll(`table[data-table="${box.dataset.intervals}"]`);
  const update = () => tables.forEach(table => table.classList.toggle("show-widths", box.checked));
  box.addEventListener("change", update);
  update();
}

// One slider uncovers the true frame under every result of its row; dragging over a picture moves it too.
for (const row of document.querySelectorAll(".comparison")) {
  const slider = row.querySelector("input[type=range]");
  const update = () => row.style.setProperty("--split", `${slider.value}%`);
  slider.addEventListener("input", update);
  update();
  for (const pair of row.querySelectorAll(".pair")) {
    const follow = event => {
      const box = pair.getBoundingClientRect();
      slider.value = Math.round(100 * (event.clientX - box.left) / box.width);
      update();
    };
    pair.addEventListener("pointerdown", event => { event.preventDefault(); pair.setPointerCapture(event.pointerId); follow(event); });
    pair.addEventListener("pointermove", event => { if (pair.hasPointerCapture(event.pointerId)) follow(event); });
  }
}

for (const run of document.querySelectorAll(".run")) {
  const show = T => run.querySelectorAll("figure[data-shots]").forEach(card => { card.hidden = card.dataset.shots !== T; });
  for (const radio of run.querySelectorAll("fieldset.shots input")) {
    radio.addEventListener("change", () => show(radio.value));
    if (radio.checked) show(radio.value);
  }
}

for (const button of document.querySelectorAll("button.play")) {
  const picture = button.closest("figure").querySelector("img");
  button.addEventListener("click", () => {
    const playing = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(playing));
    button.firstChild.textContent = playing ? "Stop" : "Play";
    picture.src = playing ? picture.dataset.animation : picture.dataset.still;
  });
}
