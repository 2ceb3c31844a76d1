/** Squarified treemap (Bruls, Huizing, van Wijk 2000): rectangles whose areas are the weights, as square as can be. */

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** One rectangle for each weight, in the order given; weights must be positive and sorted downwards. */
export function squarify(weights: readonly number[], area: Rectangle): Rectangle[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const scale = (area.width * area.height) / total;
  const placed: Rectangle[] = [];
  let [free, at] = [area, 0];
  while (at < weights.length) {
    const end = endOfRow(weights, at, Math.min(free.width, free.height), scale);
    const row = weights.slice(at, end).map((weight) => weight * scale);
    free = layRow(row, free, placed);
    at = end;
  }
  return placed;
}

function endOfRow(weights: readonly number[], start: number, side: number, scale: number): number {
  let [end, best, sum] = [start, Infinity, 0];
  while (end < weights.length) {
    const next = sum + (weights[end] ?? 0) * scale;
    const ratio = worst((weights[start] ?? 0) * scale, (weights[end] ?? 0) * scale, next, side);
    if (ratio > best) {
      break;
    }
    [best, sum, end] = [ratio, next, end + 1];
  }
  return end;
}

/** The worst aspect ratio in a row of this largest and smallest area. */
function worst(largest: number, smallest: number, sum: number, side: number): number {
  return Math.max((side * side * largest) / (sum * sum), (sum * sum) / (side * side * smallest));
}

function layRow(row: readonly number[], free: Rectangle, placed: Rectangle[]): Rectangle {
  const sum = row.reduce((total, one) => total + one, 0);
  const upright = free.width >= free.height;
  const thickness = sum / (upright ? free.height : free.width);
  let along = upright ? free.y : free.x;
  for (const one of row) {
    const length = one / thickness;
    placed.push(upright ? { x: free.x, y: along, width: thickness, height: length } : { x: along, y: free.y, width: length, height: thickness });
    along += length;
  }
  return upright
    ? { ...free, x: free.x + thickness, width: Math.max(0, free.width - thickness) }
    : { ...free, y: free.y + thickness, height: Math.max(0, free.height - thickness) };
}
