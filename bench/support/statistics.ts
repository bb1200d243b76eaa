/** The value below which a share of the values lies, 0 to 1 (nearest rank); NaN of nothing. */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length / 2;
  return Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!;
}

/** What several rounds gave: the median, and how far the rounds lie apart. */
export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly rounds: readonly number[];
}

/** Sums up the rounds of one measurement. */
export function summarize(rounds: readonly number[]): Summary {
  return { median: median(rounds), least: Math.min(...rounds), most: Math.max(...rounds), rounds };
}

/** A number as people read it: three significant digits, thousands apart. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.min(digits, 3) });
}

/** `1,234 (1,100–1,300)`: the median and the spread of the rounds. */
export function formatSummary({ median: middle, least, most }: Summary): string {
  return least === most || Number.isNaN(middle)
    ? format(middle)
    : `${format(middle)} (${format(least)}–${format(most)})`;
}
