"use strict";
// Sorting: numbers by value, missing ones last.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const before = head.getAttribute("aria-sort");
    const ascending = before === "none" ? head.dataset.first !== "descending" : before !== "ascending";
    for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const key = row => row.cells[column].dataset.value ?? "";
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = column === 0 ? x.localeCompare(y) : Number(x) - Number(y);
      return ascending ? order : -order;
    });
    table.tBodies[0].append(...rows);
  }));
}

const protocol = document.getElementById("protocol");
const shots = document.getElementById("shots");
const live = document.getElementById("live");
function filter() {
  let shown = 0;
  for (const board of document.querySelectorAll("section[data-protocol]")) {
    for (const part of board.querySelectorAll("[data-shots]"))
      part.hidden = shots.value !== "" && part.dataset.shots !== shots.value;
    const rows = board.querySelectorAll("tbody tr:not([hidden])").length;
    const fits = protocol.value === "" || board.dataset.protocol === protocol.value;
    board.hidden = !fits || rows === 0;
    shown += board.hidden ? 0 : rows;
  }
  live.textContent = shown === 1 ? "1 row" : `${shown} rows`;
}
protocol.addEventListener("change", filter);
shots.addEventListener("change", filter);
