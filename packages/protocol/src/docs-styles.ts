/** The style sheet of the reference page: light or dark as the reader's system is, and readable down to a phone. */
export const docsStyles = `:root {
  color-scheme: light dark;
  --page: light-dark(#fbfbfd, #101217);
  --raised: light-dark(#ffffff, #171a21);
  --sunken: light-dark(#f1f3f7, #1c2029);
  --line: light-dark(#e1e4ec, #2a2f3b);
  --text: light-dark(#1b1f29, #e5e8ef);
  --quiet: light-dark(#5a6375, #9aa3b5);
  --accent: light-dark(#4338ca, #a5b4fc);
  --get: light-dark(#0b6e4f, #5ed3a6);
  --post: light-dark(#1d4ed8, #8ab4ff);
  --put: light-dark(#92400e, #f3b562);
  --delete: light-dark(#b42318, #ff9d92);
  --target: light-dark(#eef0ff, #1d2136);
  --mono: ui-monospace, 'SF Mono', 'Cascadia Code', 'JetBrains Mono', Menlo, Consolas, monospace;
}

* { box-sizing: border-box; }
html { scroll-padding-top: 4.5rem; -webkit-text-size-adjust: 100%; }
body {
  margin: 0;
  background: var(--page);
  color: var(--text);
  font: 1rem/1.6 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif;
}

a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 0.2em; }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
code, pre, .path, .verb { font-family: var(--mono); }
code { font-size: 0.875em; overflow-wrap: anywhere; }
p { margin: 0.5rem 0; max-width: 68ch; }

.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; z-index: 2; background: var(--raised); padding: 0.5rem 1rem; }

.top {
  position: sticky; top: 0; z-index: 1;
  display: flex; align-items: baseline; gap: 0.75rem;
  padding: 0.8rem max(clamp(1rem, 3vw, 2rem), (100vw - 82rem) / 2 + 2rem);
  background: var(--raised);
  border-bottom: 1px solid var(--line);
}
.brand { font-weight: 700; font-size: 1.15rem; color: var(--text); text-decoration: none; letter-spacing: -0.01em; }
.subtitle { color: var(--quiet); }
.files { margin-left: auto; display: flex; gap: 1rem; font-size: 0.9rem; }

.layout {
  display: grid; grid-template-columns: 18rem minmax(0, 1fr);
  max-width: 82rem; margin: 0 auto;
}
main { min-width: 0; padding: 1rem clamp(1rem, 4vw, 3.5rem) 6rem; max-width: 60rem; }

.contents {
  position: sticky; top: 3.6rem; align-self: start;
  height: calc(100vh - 3.6rem); overflow-y: auto; scrollbar-width: thin;
  padding: 1.5rem 1rem 3rem clamp(1rem, 3vw, 2rem);
  border-right: 1px solid var(--line);
  font-size: 0.85rem; line-height: 1.35;
}
.contents ul { list-style: none; margin: 0; padding: 0; }
.contents > ul > li { margin-bottom: 0.9rem; }
.contents > ul > li > a { font-weight: 650; font-size: 0.95rem; color: var(--text); padding-left: 0; }
.contents p { margin: 0.7rem 0 0.15rem; color: var(--quiet); font-size: 0.8rem; }
.contents a { display: flex; gap: 0.5rem; padding: 0.2rem 0; color: var(--quiet); text-decoration: none; }
.contents a:hover { color: var(--accent); }
.contents a span:last-child { min-width: 0; overflow-wrap: anywhere; }
.contents .verb { flex: 0 0 3.4rem; font-size: 0.65rem; line-height: 1.75; }

h1, h2, h3, h4 { line-height: 1.25; letter-spacing: -0.01em; }
h1 { font-size: clamp(1.8rem, 1.4rem + 1.6vw, 2.5rem); margin: 1.5rem 0 0.75rem; }
h2 { font-size: 1.5rem; margin: 3.5rem 0 0.75rem; }
#overview h2 { font-size: 1.2rem; margin-top: 2.25rem; }
h3 { font-size: 1.15rem; margin: 2.5rem 0 0.75rem; }
.lead { font-size: 1.1rem; color: var(--quiet); }

pre {
  margin: 0.75rem 0; padding: 1rem 1.1rem; overflow-x: auto;
  background: var(--sunken); border: 1px solid var(--line); border-radius: 10px;
  font-size: 0.85rem; line-height: 1.55;
}
pre code { font-size: inherit; overflow-wrap: normal; }

article {
  margin: 1rem 0; padding: 1rem 1.25rem;
  background: var(--raised); border: 1px solid var(--line); border-radius: 12px;
}
article > h4 { margin: 0; font-size: 1rem; font-weight: 600; }
article > p { margin: 0.3rem 0 0; color: var(--quiet); }
article:target, tr:target { background: var(--target); }
article:target { border-color: var(--accent); }

.anchor { color: inherit; text-decoration: none; }
.anchor:hover .path, td .anchor:hover { text-decoration: underline; }
.path { font-size: 0.95rem; font-weight: 600; overflow-wrap: anywhere; }
.path var { font-style: normal; color: var(--accent); }
.verb { font-size: 0.78rem; font-weight: 700; letter-spacing: 0.03em; margin-right: 0.35rem; }
.contents .verb { margin: 0; }
.get { color: var(--get); }
.post { color: var(--post); }
.put, .patch { color: var(--put); }
.delete { color: var(--delete); }
.tag {
  display: inline-block; padding: 0 0.45em; border-radius: 999px;
  font: 0.75rem/1.6 system-ui, sans-serif; white-space: nowrap;
  color: var(--quiet); background: var(--sunken); border: 1px solid var(--line);
}

.scroll { overflow-x: auto; margin-top: 0.9rem; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; line-height: 1.5; }
caption { text-align: left; padding-bottom: 0.3rem; color: var(--quiet); font-size: 0.8rem; font-weight: 600; }
th, td { text-align: left; vertical-align: top; padding: 0.45rem 1rem 0.45rem 0; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--quiet); font-size: 0.8rem; }
tr > :last-child { padding-right: 0; }
.fields th { width: 30%; font-weight: 500; }
.fields .type { width: 32%; color: var(--quiet); }
td > code:only-child { overflow-wrap: normal; }
.errors td:first-child { white-space: nowrap; }
.errors tr { scroll-margin-top: 5rem; }
.advice { color: var(--quiet); }

.answers, .facts { display: grid; gap: 0.35rem 1rem; margin: 0.9rem 0 0; font-size: 0.9rem; }
.answers { grid-template-columns: 4.5rem minmax(0, 1fr); }
.facts { grid-template-columns: 8.5rem minmax(0, 1fr); font-size: 1rem; gap: 0.75rem 1rem; }
.answers dt, .facts dt { font-weight: 600; }
.answers dt { color: var(--quiet); font-size: 0.8rem; line-height: 1.8; }
.answers dd, .facts dd { margin: 0; min-width: 0; }
.answer { display: inline-block; margin-right: 1.25rem; }
.status { font-variant-numeric: tabular-nums; }

@media (max-width: 60rem) {
  .layout { grid-template-columns: minmax(0, 1fr); }
  .contents {
    position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line);
    padding-block: 0.75rem;
  }
  .contents > ul { display: flex; flex-wrap: wrap; gap: 0.15rem 1.1rem; }
  .contents > ul > li { margin: 0; }
  .contents > ul > li > :not(a) { display: none; }
}

@media (max-width: 38rem) {
  html { scroll-padding-top: 4rem; }
  .subtitle { display: none; }
  main { padding-inline: 1rem; }
  article { padding: 0.9rem 1rem; }
  .facts { grid-template-columns: minmax(0, 1fr); gap: 0.1rem; }
  .facts dd { margin-bottom: 0.8rem; }
  .fields, .fields tbody { display: block; }
  .fields caption { display: block; }
  .fields tr { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0.05rem 1rem; padding: 0.5rem 0; border-top: 1px solid var(--line); }
  .fields th, .fields td, .fields .type { width: auto; padding: 0; border: 0; }
  .fields .type { text-align: right; max-width: 60vw; }
  .fields td:last-child { grid-column: 1 / -1; }
  .fields td:empty { display: none; }
  .errors thead { display: none; }
  .errors, .errors tbody { display: block; }
  .errors tr { display: grid; grid-template-columns: minmax(0, 1fr) auto; padding: 0.6rem 0; border-top: 1px solid var(--line); }
  .errors td { border: 0; padding: 0; }
  .errors td:first-child { white-space: normal; }
  .errors td:nth-child(3) { grid-column: 1 / -1; }
  .errors td:nth-child(4) { display: none; }
}

@media print {
  .contents, .top { display: none; }
  .layout { display: block; }
  article { break-inside: avoid; }
}
`;
