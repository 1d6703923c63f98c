"use strict";
// Orders the candidates shown by another score; the page is complete without it.
const choice = document.getElementById("order");
if (choice) {
  choice.parentElement.hidden = false;
  choice.addEventListener("change", () => {
    const score = Number(choice.value);
    document.getElementById("order-name").textContent = choice.selectedOptions[0].textContent;
    for (const grid of document.querySelectorAll("ol.grid")) {
      const value = (item) => {
        const text = item.dataset.scores.split(" ")[score];
        const number = Number(text);
        return text && !Number.isNaN(number) ? number : -Infinity;
      };
      const items = [...grid.querySelectorAll("li[data-scores]")];
      const gap = grid.querySelector("li.gap");
      if (gap) gap.remove();
      items.sort((a, b) => value(b) - value(a));
      items.forEach((item, place) => {
        item.querySelector(".rank").textContent = gap ? "" : place + 1;
        item.querySelector(".score").textContent = item.dataset.texts.split("\u00a6")[score];
        grid.append(item);
      });
      if (gap) grid.append(gap);
    }
  });
}
// A link to a stage opens what is known of it.
const open = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
};
addEventListener("hashchange", open);
open();
