/** The model as the server sends it (`bitlens/models`), and what the tree view asks of it. */

export interface SchemeResult {
  readonly bytes: number;
  readonly relative_error: number | null;
}

/** Counts of a layer's weights between equally spaced edges. */
export interface Histogram {
  readonly low: number;
  readonly high: number;
  readonly counts: readonly number[];
}

export interface TreeNode {
  readonly name: string;
  readonly type: string | null;
  readonly file: string | null;
  /** From 1, as it was measured. */
  readonly line: number | null;
  /** The open document that holds the line now, and its line there from 0. */
  readonly uri?: string;
  readonly position?: number;
  readonly dtype: string | null;
  readonly parameters: number;
  readonly bytes: number;
  readonly schemes: Readonly<Record<string, SchemeResult>>;
  readonly histogram?: Histogram | null;
  readonly children: readonly TreeNode[];
}

export interface Model {
  readonly name: string;
  readonly class: string;
  readonly origin: "measured" | "static";
  readonly about: string;
  readonly caution: string;
  readonly stale: boolean;
  readonly complete: boolean;
  readonly device: string | null;
  readonly tree: TreeNode;
}

export type Order = "model" | "size" | "error";

/** A node with its place in the model. */
export interface Branch {
  readonly node: TreeNode;
  /** `layers.0.fc`; empty for the model itself. */
  readonly path: string;
  readonly children: readonly Branch[];
}

/** The tree as it is shown: only what matches the filter and what holds it, in the wanted order. */
export function arranged(node: TreeNode, order: Order, filter: string, errorOf: string | undefined, path = ""): Branch | undefined {
  const matches = filter === "" || [path, node.type ?? "", node.dtype ?? ""].some((text) => text.toLowerCase().includes(filter.toLowerCase()));
  const children = node.children
    .map((child) => arranged(child, order, matches && path !== "" ? "" : filter, errorOf, path === "" ? child.name : `${path}.${child.name}`))
    .filter((child) => child !== undefined);
  return matches || children.length > 0 ? { node, path, children: sorted(children, order, errorOf) } : undefined;
}

function sorted(children: readonly Branch[], order: Order, errorOf: string | undefined): readonly Branch[] {
  if (order === "model") {
    return children;
  }
  const key = ({ node }: Branch): number => (order === "size" ? node.bytes : error(node, errorOf));
  return [...children].sort((one, other) => key(other) - key(one));
}

function error(node: TreeNode, id: string | undefined): number {
  const results = id === undefined ? Object.values(node.schemes) : [node.schemes[id]];
  return Math.max(-1, ...results.map((result) => result?.relative_error ?? -1));
}

/** Every layer: a node that owns tensors, with its path. */
export function* leaves(node: TreeNode, path = ""): Generator<{ readonly node: TreeNode; readonly path: string }> {
  const below = node.children.reduce((sum, child) => sum + child.bytes, 0);
  if (node.type !== null && node.bytes > below) {
    yield { node: node.children.length === 0 ? node : { ...node, bytes: node.bytes - below, children: [] }, path };
  }
  for (const child of node.children) {
    yield* leaves(child, path === "" ? child.name : `${path}.${child.name}`);
  }
}

/** Whether a value is what `bitlens/models` answers; a server of another version may answer something else. */
export function isModels(value: unknown): value is Model[] {
  return Array.isArray(value) && value.every((one: unknown) => typeof one === "object" && one !== null && "tree" in one && "name" in one);
}
