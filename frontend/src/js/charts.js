// Charts of the dashboards only. Each <figure data-chart> holds its data as JSON and a table with the same numbers; the
// button [data-chart-table] shows one or the other. The page loads this file with <script defer>.
import * as echarts from "echarts/core";
import { BarChart, FunnelChart, HeatmapChart, LineChart } from "echarts/charts";
import { DatasetComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

echarts.use([BarChart, LineChart, FunnelChart, HeatmapChart, GridComponent, TooltipComponent, LegendComponent, MarkLineComponent,
  DatasetComponent, VisualMapComponent, SVGRenderer]);

function token(name) {
  return getComputedStyle(document.body).getPropertyValue(name).trim();
}

function base() {
  return {
    animation: false,
    color: [token("--brand"), token("--high-solid"), token("--ok-solid"), token("--none-solid")],
    // By its name: the canvas that measures the words of a legend does not know "inherit".
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: token("--ink-2"), fontSize: 12 },
    grid: { left: 8, right: 56, top: 28, bottom: 4, containLabel: true },
    tooltip: { trigger: "axis", confine: true },
  };
}

function draw(figure) {
  const holder = figure.querySelector("[data-chart-canvas]");
  const data = figure.querySelector("script[type='application/json']");
  if (!holder || !data || holder.dataset.drawn) return;
  holder.dataset.drawn = "yes";
  holder.textContent = ""; // the server's drawing, shown until now
  const chart = echarts.init(holder, null, { renderer: "svg" });
  chart.setOption({ ...base(), ...JSON.parse(data.textContent) });
  new ResizeObserver(() => chart.resize()).observe(holder);
}

function drawAll(root) {
  root.querySelectorAll("[data-chart]").forEach(draw);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-chart-table]");
  if (!button) return;
  const figure = button.closest("[data-chart]");
  const table = figure.querySelector("[data-chart-values]");
  const shown = table.hidden;
  table.hidden = !shown;
  figure.querySelector("[data-chart-canvas]").hidden = shown;
  button.setAttribute("aria-pressed", String(shown));
});
document.addEventListener("htmx:load", (event) => drawAll(event.target));
drawAll(document);
