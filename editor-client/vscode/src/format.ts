/** Amounts as the server writes them: three significant digits, decimal units, unknown is `?`. */

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/** `90.9 MB` (1 MB is 1,000,000 bytes). */
export function size(bytes: number | null | undefined): string {
  if (bytes == null) {
    return "?";
  }
  let [value, unit] = [bytes, 0];
  // 999.5 would be written as "1000".
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value.toString() : threeDigits(value)} ${UNITS[unit] ?? ""}`;
}

/** `22.7M` */
export function count(amount: number): string {
  return size(amount).replace(/ KB$/, "K").replace(/ MB$/, "M").replace(/ GB$/, "G").replace(/ TB$/, "T").replace(/ B$/, "");
}

/** A relative error: `0.593%`; `?` where it is not known. */
export function percent(share: number | null | undefined): string {
  if (share == null) {
    return "?";
  }
  return share === 0 ? "0%" : share < 0.00001 ? "<0.001%" : `${threeDigits(share * 100)}%`;
}

/** A relative error in four characters, as hints write it: `.6%`, `9.9%`, `12%`. */
export function share(error: number): string {
  const value = error * 100;
  const digits = value < 0.095 ? 2 : value < 9.95 ? 1 : 0;
  return value === 0 ? "0%" : value < 0.005 ? "<.01%" : `${value.toFixed(digits).replace(/^0\./, ".")}%`;
}

function threeDigits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value >= 1 ? value.toFixed(2) : value.toPrecision(3);
}

const SHORT: Readonly<Record<string, string>> = { float64: "fp64", float32: "fp32", float16: "fp16", bfloat16: "bf16" };

/** torch's dtype name as people say it. */
export function dtype(name: string): string {
  return SHORT[name] ?? name;
}

/** A scheme's id as hints write it: `quanto.qint8` is `int8`. */
export function scheme(id: string): string {
  const last = id.split(".").at(-1) ?? id;
  return dtype(last.replace(/^q(?=int|float)/, ""));
}

/** A bar of eighths, `width` characters long, for a share of one. */
export function bar(share: number, width = 4): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const [full, rest] = [Math.floor(eighths / 8), eighths % 8];
  const text = "█".repeat(full) + (rest > 0 ? "▏▎▍▌▋▊▉".charAt(rest - 1) : "");
  return text.padEnd(width, "\u2007");
}
