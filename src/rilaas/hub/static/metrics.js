// Draws the charts of the page Metrics, and follows the time. The page's tables say the same without it.
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const COLOURS = ["#4a86c8", "#b97a1a", "#23927f", "#9170cc", "#7a8793", "#5d9c3a", "#b0628f", "#3aa0b8"]; // none is red
const plots = new Map();

function colour(label, i) {
  return label === "failed" ? css("--bad") : COLOURS[i % COLOURS.length];
}

// Times in UTC, as fine as the range needs.
function clock(span, full) {
  return (at) => {
    const text = new Date(at * 1e3).toISOString();
    const time = text.slice(11, span <= 900 || full ? 19 : 16);
    return span > 86000 || full ? `${text.slice(5, 10)} ${time}` : time;
  };
}

function columns(chart, x) {
  const values = chart.series.map((each) => each.values);
  if (chart.kind !== "stack") return [x, ...values];
  const sums = values.map((_, i) => x.map((_, at) => {
    const parts = values.slice(0, i + 1).map((each) => each[at]);
    return parts.every((each) => each === null) ? null : parts.reduce((sum, each) => sum + (each || 0), 0);
  }));
  return [x, ...sums];
}

// The deadline, as a line with its name.
function deadlineLine(chart) {
  return { hooks: { draw: [(plot) => {
    const y = plot.valToPos(chart.deadline, "y", true), { left, width, top } = plot.bbox, draw = plot.ctx;
    if (!(y >= top)) return;
    draw.save();
    draw.strokeStyle = draw.fillStyle = css("--ink");
    draw.lineWidth = 1.5 * devicePixelRatio;
    draw.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    draw.beginPath(); draw.moveTo(left, y); draw.lineTo(left + width, y); draw.stroke();
    draw.font = `${11 * devicePixelRatio}px system-ui`;
    draw.textAlign = "left"; draw.textBaseline = "alphabetic";
    draw.fillText(`deadline ${chart.deadline} ${chart.unit}`, left + 6 * devicePixelRatio, y - 4 * devicePixelRatio);
    draw.restore();
  }] } };
}

// Rates and latencies begin at 0; what somebody posted may lie anywhere.
function reach(chart, low, high) {
  if (low === null) return [0, 1];
  const top = Math.max(high, chart.deadline ?? high);
  if (chart.kind === "free") {
    const room = (high - low) * 0.1 || Math.abs(high) * 0.05 || 1;
    return [low - room, high + room];
  }
  return [Math.min(0, low), top * 1.08 || 1];
}

function options(chart, x, width) {
  const span = x[x.length - 1] - x[0];
  const shown = (i) => (plot, value, _, at) => {
    const own = at === null ? null : plot.chart.series[i].values[at];
    return own === null || own === undefined ? "-" : `${own} ${chart.unit}`;
  };
  const series = chart.series.map((each, i) => ({
    // Broad and pale, for the line of those answered lies on it as long as all is well.
    ...(each.label === "sent" ? { stroke: colour(each.label, i) + "77", width: 5 } : { stroke: colour(each.label, i), width: 1.6 }),
    label: each.label, value: shown(i), spanGaps: false, points: { size: 4 },
    fill: chart.kind === "stack" && i === 0 ? colour(each.label, i) + "99" : undefined,
  }));
  const bands = chart.kind !== "stack" ? [] : chart.series.slice(1).map((each, i) => (
    { series: [i + 2, i + 1], fill: colour(each.label, i + 1) + "99" }));
  const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") }, font: "11px system-ui" };
  return {
    width, height: 220, bands,
    series: [{ label: "UTC", value: (_, at) => at === null ? "-" : clock(span, true)(at) }, ...series],
    axes: [{ ...axis, space: 80, values: (_, ticks) => ticks.map(clock(span, false)) }, { ...axis, size: 58, label: chart.unit, labelSize: 16, labelFont: "11px system-ui" }],
    scales: { x: { time: true }, y: { range: (_, low, high) => reach(chart, low, high) } },
    plugins: chart.deadline ? [deadlineLine(chart)] : [], cursor: { sync: { key: "metrics" } },
  };
}

function draw() {
  const data = JSON.parse(document.getElementById("m-data").textContent);
  const found = new Map(data.charts.map((chart) => [chart.name, chart]));
  for (const place of document.querySelectorAll("[data-charts]")) {
    for (const name of place.dataset.charts.split(" ")) {
      const chart = found.get(name), known = plots.get(name);
      const shape = chart && JSON.stringify([chart.title, chart.unit, chart.deadline, chart.series.map((each) => each.label)]);
      if (known && known.shape === shape) {
        known.plot.chart = chart;
        known.plot.setData(columns(chart, data.x));
        continue;
      }
      if (known) { known.plot.destroy(); known.figure.remove(); plots.delete(name); }
      if (!chart) continue;
      const figure = document.createElement("figure"), title = document.createElement("figcaption");
      title.textContent = chart.title;
      figure.append(title);
      place.append(figure);
      const plot = new uPlot(options(chart, data.x, figure.clientWidth), columns(chart, data.x), figure);
      plot.chart = chart;
      plots.set(name, { plot, figure, shape });
    }
  }
}

function fit() {
  for (const { plot, figure } of plots.values()) plot.setSize({ width: figure.clientWidth, height: 220 });
}

async function follow(box) {
  if (box.checked && !document.hidden) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok && !answer.redirected) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const old of document.querySelectorAll("[data-live], #m-data")) {
          const fresh = page.getElementById(old.id);
          if (fresh) old.replaceWith(fresh);
        }
        draw();
        document.dispatchEvent(new Event("rilaas:replaced"));
      }
    } catch { // what is shown stays
      document.dispatchEvent(new Event("rilaas:away"));
    }
  }
  setTimeout(follow, 4000, box);
}

draw();
addEventListener("resize", fit);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const { plot, figure } of plots.values()) { plot.destroy(); figure.remove(); }
  plots.clear();
  draw();
});
const box = document.getElementById("m-follow");
if (box) { box.hidden = false; setTimeout(follow, 4000, box.querySelector("input")); }
