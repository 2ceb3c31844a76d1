/** The report's page. It builds its elements itself: the policy allows neither inline styles nor markup from outside. */

import { count, dtype, percent, scheme, size } from "../format";
import { leaves, type Histogram, type Model, type TreeNode } from "../model";
import { type Rectangle, squarify } from "../treemap";
import type { ReportData } from "./data";

declare function acquireVsCodeApi(): { postMessage(message: unknown): void; getState(): unknown; setState(state: unknown): void };

interface Leaf {
  readonly node: TreeNode;
  readonly path: string;
}

const COLORS = 6;

const vscode = acquireVsCodeApi();
const root = document.getElementById("report") ?? document.body;
let data: ReportData | undefined;
let shown = 0;
let selected: string | undefined;

window.addEventListener("message", (event: MessageEvent<ReportData>) => {
  data = event.data;
  shown = Math.min(shown, Math.max(0, data.models.length - 1));
  draw();
});
let width = 0;
new ResizeObserver(() => {
  if (root.clientWidth !== width) {
    width = root.clientWidth;
    draw();
  }
}).observe(root);
vscode.postMessage({ kind: "ready" });

function draw(): void {
  const model = data?.models[shown];
  if (data === undefined || model === undefined) {
    root.replaceChildren(element("p", {}, data?.text.empty ?? ""));
    return;
  }
  const layers = layersOf(model);
  selected = layers.find((leaf) => leaf.path === selected)?.path ?? layers[0]?.path;
  root.replaceChildren(header(data, model), treemap(data, layers), details(data, model, layers), table(data, model, layers));
}

function layersOf(model: Model): Leaf[] {
  return [...leaves(model.tree)].filter((leaf) => leaf.node.bytes > 0).sort((one, other) => other.node.bytes - one.node.bytes);
}

function header({ models, text }: ReportData, model: Model): HTMLElement {
  const title = element("h1", {}, `${model.name} · ${count(model.tree.parameters)} · ${size(model.tree.bytes)}`);
  const about = element("p", { class: "about" }, `${model.about} ${model.caution}`.replaceAll("`", ""));
  if (models.length === 1) {
    return element("header", {}, title, about);
  }
  const chooser = element("select", { id: "model" }, ...models.map((one, at) => element("option", { value: String(at) }, one.name)));
  chooser.selectedIndex = shown;
  chooser.addEventListener("change", () => {
    shown = chooser.selectedIndex;
    draw();
    document.getElementById("model")?.focus();
  });
  return element("header", {}, element("label", { for: "model" }, text.model, " "), chooser, title, about);
}

function treemap({ text }: ReportData, layers: readonly Leaf[]): Element {
  const whole = { x: 0, y: 0, width: Math.max(200, root.clientWidth), height: Math.min(420, Math.max(200, root.clientWidth * 0.45)) };
  const areas = squarify(layers.map((leaf) => leaf.node.bytes), whole);
  const types = [...new Set(layers.map((leaf) => leaf.node.type))];
  const tiles = layers.map((leaf, at) => tile(leaf, areas[at] ?? { ...whole, width: 0 }, types.indexOf(leaf.node.type)));
  const picture = svg("svg", { viewBox: `0 0 ${whole.width} ${whole.height}`, role: "listbox", "aria-label": text.treemap, class: "treemap" }, ...tiles);
  picture.addEventListener("keydown", (event) => { move(event, layers); });
  return element("section", { "aria-label": text.treemap }, picture);
}

/** Layers of the same type get the same colour, the largest layer's type the first. */
function tile(leaf: Leaf, area: Rectangle, type: number): Element {
  const isSelected = leaf.path === selected;
  const label = `${leaf.path}, ${leaf.node.type ?? ""}, ${size(leaf.node.bytes)}`;
  const group = svg("g", { role: "option", "aria-label": label, "aria-selected": String(isSelected), tabindex: isSelected ? "0" : "-1", class: "tile" });
  const color = `color${type % COLORS}`;
  group.append(svg("rect", { x: area.x + 1, y: area.y + 1, width: Math.max(0, area.width - 2), height: Math.max(0, area.height - 2), class: color }));
  group.append(svg("title", {}, label));
  if (area.width > 44 && area.height > 30) {
    const room = Math.floor((area.width - 10) / 6.5);
    group.append(svg("text", { x: area.x + 7, y: area.y + 17 }, shortened(leaf.path, room)));
    if (area.width > 62) {
      group.append(svg("text", { x: area.x + 7, y: area.y + 31, class: "small" }, size(leaf.node.bytes)));
    }
  }
  group.addEventListener("click", () => { select(leaf.path); });
  return group;
}

function shortened(text: string, room: number): string {
  return text.length <= room ? text : `…${text.slice(text.length - Math.max(1, room - 1)).replace(/^\.+/, "")}`;
}

function move(event: KeyboardEvent, layers: readonly Leaf[]): void {
  const at = layers.findIndex((leaf) => leaf.path === selected);
  const steps: Readonly<Record<string, number>> = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: layers.length - 1 };
  const next = layers[Math.min(layers.length - 1, Math.max(0, steps[event.key] ?? -2))];
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    go(selected);
  } else if (event.key in steps && next !== undefined) {
    event.preventDefault();
    select(next.path);
  }
}

function select(path: string): void {
  selected = path;
  draw();
  document.querySelector<SVGElement>('.tile[aria-selected="true"]')?.focus();
}

function go(path: string | undefined): void {
  vscode.postMessage({ kind: "reveal", model: shown, path });
}

function details({ text }: ReportData, model: Model, layers: readonly Leaf[]): HTMLElement {
  const leaf = layers.find((one) => one.path === selected);
  if (leaf === undefined) {
    return element("section", {});
  }
  const { node, path } = leaf;
  const words = [node.type ?? "", `${count(node.parameters)} ${text.parameters}`, size(node.bytes), percent(node.bytes / model.tree.bytes), dtype(node.dtype ?? "")];
  const button = element("button", { type: "button" }, text.line);
  button.addEventListener("click", () => { go(path); });
  const rows = Object.entries(node.schemes).map(([id, result]) => [id, size(result.bytes), result.relative_error === null ? "–" : percent(result.relative_error)]);
  const section = element("section", { "aria-live": "polite" }, element("h2", {}, path || model.name), element("p", {}, words.join(" · "), " ", button));
  section.append(element("div", { class: "columns" }, grid([text.scheme, text.bytes, text.error], rows), histogram(text, node.histogram)));
  return section;
}

function histogram(text: ReportData["text"], values: Histogram | null | undefined): Element {
  if (values == null || values.counts.length === 0) {
    return element("p", { class: "about" }, text.noHistogram);
  }
  const [width, height] = [360, 140];
  const [most, step] = [Math.max(...values.counts), width / values.counts.length];
  const bars = values.counts.map((amount, at) => {
    const tall = (amount / most) * (height - 24);
    return svg("rect", { x: at * step, y: height - 20 - tall, width: Math.max(0.5, step - 0.5), height: tall, class: "bar" });
  });
  const ends = [svg("text", { x: 0, y: height - 4, class: "small" }, values.low.toPrecision(3)), svg("text", { x: width, y: height - 4, class: "small end" }, values.high.toPrecision(3))];
  const label = `${text.histogram}: ${values.low.toPrecision(3)} … ${values.high.toPrecision(3)}`;
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "histogram" }, ...bars, ...ends);
}

function table({ text, schemes }: ReportData, model: Model, layers: readonly Leaf[]): HTMLElement {
  const rows = layers.map(({ node, path }) => [path, node.type ?? "", count(node.parameters), size(node.bytes), percent(node.bytes / model.tree.bytes), ...schemes.map((id) => errorIn(node, id))]);
  const heads = [text.layer, text.type, text.parameters, text.bytes, text.share, ...schemes.map((id) => `${scheme(id)} ${text.error}`)];
  return element("details", {}, element("summary", {}, text.allLayers), grid(heads, rows));
}

function errorIn(node: TreeNode, id: string): string {
  const error = node.schemes[id]?.relative_error;
  return error == null ? "–" : percent(error);
}

function grid(heads: readonly string[], rows: readonly (readonly string[])[]): HTMLElement {
  const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name)));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

function element<K extends keyof HTMLElementTagNameMap>(name: K, attributes: Readonly<Record<string, string>>, ...inside: (Node | string)[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => { made.setAttribute(key, value); });
  made.append(...inside);
  return made;
}

function svg(name: string, attributes: Readonly<Record<string, string | number>>, ...inside: (Node | string)[]): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => { made.setAttribute(key, String(value)); });
  made.append(...inside);
  return made;
}
