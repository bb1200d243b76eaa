import type { Summary } from './statistics.ts';
import { format } from './statistics.ts';

const WIDTH = 760;
const LABEL = 170;
const ROW = 34;
const TOP = 44;

/** Bars beside one another, the longest first as given: medians, with a line from the least to the most of the rounds. */
export function barChart(
  title: string,
  unit: string,
  bars: readonly { readonly label: string; readonly value: Summary }[],
): string {
  const most = Math.max(...bars.map(({ value }) => value.most), Number.MIN_VALUE);
  const scale = (value: number): number => (value / most) * (WIDTH - LABEL - 120);
  const rows = bars.map(({ label, value }, index) => {
    const y = TOP + index * ROW;
    const [from, to] = [LABEL + scale(value.least), LABEL + scale(value.most)];
    const fill = label.startsWith('Parley') ? '#2563eb' : '#94a3b8';
    return [
      `<text x="${LABEL - 10}" y="${y + 15}" text-anchor="end">${escapeXml(label)}</text>`,
      `<rect x="${LABEL}" y="${y}" width="${round(scale(value.median))}" height="20" rx="3" fill="${fill}"/>`,
      `<path d="M${round(from)} ${y + 10}H${round(to)}" stroke="#0f172a" stroke-width="1.5"/>`,
      `<text x="${round(to + 8)}" y="${y + 15}">${format(value.median)}</text>`,
    ].join('');
  });
  const height = TOP + bars.length * ROW + 6;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeXml(title)}" font-family="system-ui, sans-serif" font-size="13" fill="#0f172a">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="10" y="24" font-weight="600">${escapeXml(title)}</text><text x="${WIDTH - 10}" y="24" text-anchor="end" fill="#475569">${escapeXml(unit)}</text>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
