"use strict";
// The page is complete without this: tables hold the numbers of charts, and the order of candidates stays as it is.
const DASHES = ["none", "7 4", "2 4", "9 3 2 3"];
const MARKS = [
  "m-4.2 0a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0-8.4 0z", "m-3.5-3.5h7v7h-7z", "m0-5.2l4.8 8.2h-9.6z",
  "m0-5l5 5l-5 5l-5-5z", "m0 5.2l4.8-8.2h-9.6z", "m-5 0h10m-5-5v10", "m-4-4l8 8m0-8l-8 8",
];
const near = (value) => Math.round(value * 10) / 10;

// The name of SVG is taken from a drawing of the page, as a page that loads nothing names no address.
const add = (parent, tag, attributes, text = "", space = parent.namespaceURI) => {
  const node = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return parent.appendChild(node);
};

const label = (value, step) => {
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const plain = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const short = Math.abs(value) >= 1e6 || digits > 5;
  const text = short ? value.toExponential(2).replace("e+", "e") : value.toLocaleString("en", plain);
  return text.replace(/^-/, "\u2212");
};

// From values to pixels, with labels at round values; ends that are rounded move to such values.
const axis = ({ ends, labels, step: least, logarithmic }, pixels, rounded) => {
  const of = (value) => (logarithmic ? Math.log10(value) : value);
  let [from, to] = ends.map(of);
  const rough = Math.abs(to - from) / labels;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(least, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999));
  if (rounded) {
    from = Math.floor(from / step + 1e-9) * step;
    to = Math.ceil(to / step - 1e-9) * step;
  }
  const place = (value) => near(pixels[0] + ((value - from) / (to - from)) * (pixels[1] - pixels[0]));
  const first = Math.ceil(Math.min(from, to) / step - 1e-9);
  const last = Math.floor(Math.max(from, to) / step + 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, n) => (first + n) * step + 0).map((value) => [
    place(value),
    logarithmic ? label(10 ** value, 10 ** value) : label(value, step),
  ]);
  return { at: (value) => place(of(value)), ticks };
};

const draw = (svg) => {
  const chart = JSON.parse(svg.dataset.chart);
  const [right, top, bottom, foot] = [408, 10, 208, 244];
  const line = (parent, kind, x1, y1, x2, y2) => add(parent, "line", { class: kind, x1, y1, x2, y2 });
  const text = (kind, x, y, words, more) => add(svg, "text", { class: kind, x, y, ...more }, words);
  const vertical = axis(chart.y, [bottom, top], true);
  const left = 30 + 7.5 * Math.min(12, Math.max(2, ...vertical.ticks.map(([, words]) => words.length)));
  const across = axis(chart.x, [left, right], false);
  for (const [at, words] of vertical.ticks) {
    line(svg, "grid", left, at, right, at);
    text("tick end", left - 7, at + 4, words);
  }
  if (chart.reference !== null) {
    const at = vertical.at(chart.reference);
    line(svg, "reference", left, at, right, at);
  }
  line(svg, "axis", left, bottom, right, bottom);
  for (const [at, words] of across.ticks) {
    line(svg, "axis", at, bottom, at, bottom + 4);
    text("tick middle", at, bottom + 17, words);
  }
  text("name middle", (left + right) / 2, foot, chart.x.name);
  const middle = (top + bottom) / 2;
  text("name middle", 13, middle, chart.y.name, { transform: `rotate(-90 13 ${middle})` });

  const marked = chart.spread === "whiskers";
  const style = (number) => `series s${number % MARKS.length}`;
  const stroke = (parent, number, d) =>
    add(parent, "path", { class: "line", d, "stroke-dasharray": DASHES[number % DASHES.length] });
  const mark = (parent, number, x, y) =>
    marked && add(parent, "path", { class: "marker", d: `M${x} ${y}${MARKS[number % MARKS.length]}` });
  const outline = (points) => points.map((point, n) => (n ? "L" : "M") + point.join(" ")).join("");
  chart.series.forEach(({ points }, number) => {
    const group = add(svg, "g", { class: style(number) });
    const places = points.map(([x, ...values]) => [across.at(x), ...values.map(vertical.at)]);
    if (marked) {
      for (const [x, , low, high] of places) {
        line(group, "whisker", x, low, x, high);
        for (const end of [low, high]) line(group, "whisker", x - 3, end, x + 3, end);
      }
    } else {
      const above = places.map(([x, , , high]) => [x, high]);
      const below = places.map(([x, , low]) => [x, low]).reverse();
      add(group, "path", { class: "band", d: outline([...above, ...below]) + "Z" });
    }
    stroke(group, number, outline(places.map(([x, y]) => [x, y])));
    for (const [x, y] of places) mark(group, number, x, y);
  });
  // A single line has no legend.
  if (chart.series.length > 1) {
    const legend = document.createElement("ul");
    legend.className = "legend";
    chart.series.forEach(({ name }, number) => {
      const item = add(legend, "li", {});
      const size = { class: style(number), viewBox: "0 0 34 12", width: 34, height: 12, "aria-hidden": "true" };
      const sample = add(item, "svg", size, "", svg.namespaceURI);
      stroke(sample, number, "M1 6H33");
      mark(sample, number, 17, 6);
      item.append(name);
    });
    svg.after(legend);
  }
};
for (const svg of document.querySelectorAll("svg[data-chart]")) draw(svg);

// Lowest and highest number, 5% and 95%, the middle half and the median, on an axis that the strips of a table share.
const strip = (svg) => {
  const { ends, values } = JSON.parse(svg.dataset.strip);
  const { at } = axis({ ends, labels: 1, step: 0, logarithmic: false }, [3, 157], false);
  const [lowest, low, lower, median, upper, high, highest] = values.map(at);
  const bar = (kind, from, to, height) =>
    add(svg, "rect", { class: kind, x: from, y: 9 - height / 2, width: Math.max(1, near(to - from)), height });
  bar("whole", lowest, highest, 2);
  bar("most", low, high, 8);
  bar("half", lower, upper, 12);
  add(svg, "line", { class: "median", x1: median, y1: 1, x2: median, y2: 17 });
};
for (const svg of document.querySelectorAll("svg[data-strip]")) strip(svg);

// Orders the candidates shown by another score.
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
