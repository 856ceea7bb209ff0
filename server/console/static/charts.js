// The charts of Traffic. Each has a table beside it, which says the same in numbers and is its legend.
"use strict";

{
  const MOST = 120;
  const place = document.getElementById("points");
  const { at, charts: columns } = JSON.parse(place.dataset.points);
  const plots = [];
  const colour = (name) => getComputedStyle(place).getPropertyValue(name).trim();
  const figure = (value) => {
    if (value === null) return "–";
    const digits = value >= 100 || Number.isInteger(value) ? 0 : 2;
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  };
  const axis = () => ({
    stroke: colour("--soft"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui",
  });

  // A value without neighbours is a point; all others are parts of a line.
  const alone = (plot, series) => {
    const values = plot.data[series];
    return [...values.keys()].filter((n) => values[n] != null && values[n - 1] == null && values[n + 1] == null);
  };

  const draw = (card) => {
    const name = card.dataset.chart;
    const target = card.querySelector(".plot");
    const lines = columns[name].map((_, number) => ({
      stroke: colour(`--line${number}`), width: 2, points: { show: true, size: 5, fill: colour(`--line${number}`), filter: alone }, spanGaps: false,
    }));
    const plot = new uPlot({
      tzDate: (second) => uPlot.tzDate(new Date(second * 1000), "Etc/UTC"),
      width: target.clientWidth, height: 130, legend: { show: false }, cursor: { show: false },
      scales: { y: { range: (_plot, _low, high) => [0, Math.max(high ?? 0, 1) * 1.1] } },
      axes: [{ ...axis(), space: 70, size: 28, values: "{HH}:{mm}:{ss}" }, { ...axis(), size: 56 }],
      series: [{}, ...lines],
    }, [at, ...columns[name]], target);
    plots.push({ name, plot, target, cells: [...card.querySelectorAll("tbody tr")].map((row) => row.querySelectorAll("td")) });
  };
  const drawAll = () => {
    for (const { plot } of plots.splice(0)) plot.destroy();
    for (const card of place.querySelectorAll("[data-chart]")) draw(card);
  };

  const count = ({ name, cells }) => columns[name].forEach((values, number) => {
    const there = values.filter((each) => each !== null);
    const told = there.length
      ? [values.at(-1), Math.max(...there), there.reduce((sum, each) => sum + each, 0) / there.length]
      : [null, null, null];
    told.forEach((value, column) => { cells[number][column].textContent = figure(value); });
  });

  const add = (second, values) => {
    at.push(second);
    for (const [name, lines] of Object.entries(columns)) {
      lines.forEach((line, number) => line.push(values ? values[name][number] : null));
    }
    while (at.length > MOST || at[0] < second - MOST) {
      at.shift();
      Object.values(columns).flat().forEach((line) => line.shift());
    }
  };
  // Called with each point that comes.
  window.addPoint = (point) => {
    if (at.length && point.at <= at.at(-1)) return;
    if (at.length && point.at > at.at(-1) + 1) add(at.at(-1) + 1, null);  // a gap is none of the line
    add(point.at, point.values);
    for (const each of plots) {
      each.plot.setData([at, ...columns[each.name]]);
      count(each);
    }
  };
  window.lastPoint = () => at.at(-1) ?? 0;

  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  new ResizeObserver(() => {
    for (const { plot, target } of plots) plot.setSize({ width: target.clientWidth, height: 130 });
  }).observe(place);
}
