/** `[["hints.preset", "size"]]` as `{hints: {preset: "size"}}`. */
export function nested(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [name, value] of entries) {
    const parts = name.split(".");
    const last = parts.pop() ?? name;
    let inner = root;
    for (const part of parts) {
      inner = (inner[part] ??= {}) as Record<string, unknown>;
    }
    inner[last] = value;
  }
  return root;
}
