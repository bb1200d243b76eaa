/** What Node writes with `--cpu-prof`, as far as it is read here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** The last seconds of a profile alone: what comes before, the start of a program above all, is left out. */
export function lastOf(profile: CpuProfile, seconds: number): CpuProfile {
  let left = seconds * 1_000_000;
  let first = profile.samples.length;
  while (first > 0 && left > 0) left -= profile.timeDeltas[--first]!;
  return { ...profile, samples: profile.samples.slice(first), timeDeltas: profile.timeDeltas.slice(first) };
}

interface Frame {
  readonly name: string;
  readonly part: string;
  own: number;
  total: number;
  readonly children: Map<string, Frame>;
}

const WIDTH = 1_600;
const ROW = 17;
/** Thinner than this share of the whole nothing is drawn. */
const LEAST_SHARE = 0.001;

/** The time each part of the program used itself (a package, or a file of ours), longest first, as shares of the busy time. */
export function shares(profile: CpuProfile): { part: string; share: number }[] {
  const root = foldProfile(profile);
  const sums = new Map<string, number>();
  const add = (frame: Frame): void => {
    sums.set(frame.part, (sums.get(frame.part) ?? 0) + frame.own);
    for (const child of frame.children.values()) add(child);
  };
  add(root);
  return [...sums]
    .map(([part, time]) => ({ part, share: time / root.total }))
    .sort((one, other) => other.share - one.share);
}

/** Calls from above to below, each as wide as its time; the idle time is left out. */
export function flameGraph(profile: CpuProfile, title: string): string {
  const root = foldProfile(profile);
  const rects: string[] = [];
  let depth = 0;
  const draw = (frame: Frame, x: number, level: number): void => {
    const width = (frame.total / root.total) * WIDTH;
    if (frame.total / root.total < LEAST_SHARE) return;
    depth = Math.max(depth, level);
    const percent = ((100 * frame.total) / root.total).toFixed(1);
    const y = 30 + level * ROW;
    rects.push(
      `<g><title>${escapeXml(`${frame.name} (${frame.part}) ${percent} %`)}</title>` +
        `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colourOf(frame.part)}"/>` +
        (width > 40
          ? `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escapeXml(fit(frame.name, width))}</text>`
          : '') +
        '</g>',
    );
    let at = x;
    for (const child of frame.children.values()) {
      draw(child, at, level + 1);
      at += (child.total / root.total) * WIDTH;
    }
  };
  draw(root, 0, 0);
  const height = 40 + (depth + 1) * ROW;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="ui-monospace, monospace" font-size="11">`,
    `<rect width="100%" height="100%" fill="#fff"/><text x="4" y="18" font-size="13">${escapeXml(title)}</text>`,
    ...rects,
    '</svg>',
    '',
  ].join('\n');
}

/** One tree of frames by name and place, from many samples. */
function foldProfile({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id] as const)));
  const time = new Map<number, number>();
  for (const [index, id] of samples.entries()) time.set(id, (time.get(id) ?? 0) + timeDeltas[index]!);
  const root: Frame = { name: 'all', part: 'all', own: 0, total: 0, children: new Map() };
  for (const [id, used] of time) {
    const path: { name: string; part: string }[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const { functionName, url, lineNumber } = byId.get(at)!.callFrame;
      if (functionName === '(root)') break;
      path.push({ name: functionName || `(anonymous):${lineNumber + 1}`, part: partOf(url, functionName) });
    }
    if (path[0]?.name === '(idle)') continue;
    root.total += used;
    let frame = root;
    for (const { name, part } of path.reverse()) {
      const key = `${name} ${part}`;
      let child = frame.children.get(key);
      if (!child) {
        child = { name, part, own: 0, total: 0, children: new Map() };
        frame.children.set(key, child);
      }
      child.total += used;
      frame = child;
    }
    frame.own += used;
  }
  return root;
}

function partOf(url: string, functionName: string): string {
  const inPackage = url.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1];
  if (inPackage) return inPackage;
  const own = url.match(/\/((?:server|packages|bench)\/.*)$/)?.[1];
  if (own) return own.includes('prisma/generated') ? 'prisma/generated' : own;
  if (url.startsWith('wasm')) return 'wasm';
  return url || functionName;
}

function colourOf(part: string): string {
  let sum = 0;
  for (const letter of part) sum = (sum * 31 + letter.charCodeAt(0)) % 360;
  return `hsl(${sum} 65% 75%)`;
}

function fit(text: string, width: number): string {
  const most = Math.floor((width - 6) / 6.7);
  return text.length <= most ? text : `${text.slice(0, Math.max(0, most - 1))}…`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
