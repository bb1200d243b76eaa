import { COMMANDS } from './commands.ts';
import { docsStyles } from './docs-styles.ts';
import { ERRORS, type ErrorCode, type ErrorDefinition, ProblemSchema, SESSION_END_REASONS } from './errors.ts';
import { CHANGE_EVENTS, EVENTS, OTHER_EVENTS } from './events.ts';
import { asObject, collectSchemas, type Json, type JsonObject, referredName } from './json-schema.ts';
import { CAPS, LIMITS } from './limits.ts';
import { errorsOfRoute } from './openapi.ts';
import { API_PREFIX, COMMON_ERRORS, ROUTES, type RouteDefinition, type RouteName } from './routes.ts';

export { docsStyles };

/** Where the server serves `docsStyles`. */
const STYLES_PATH = '/docs/docs.css';

/** What a client does about each code, for `/docs/errors` and `docs/errors.md`. */
export const ERROR_ADVICE = {
  invalid_request: 'Correct the fields that `errors` names; the same request will fail again.',
  empty_message: 'Ask for text. Nothing was left after markup and white space were removed.',
  message_too_long: 'Shorten the text or split it.',
  unauthenticated: 'Get a token and send it.',
  token_expired: 'Get a new token, then repeat the call or connect again.',
  session_revoked: 'Sign in anew; the old token is of no more use.',
  forbidden: 'Do not offer this to this role. Read the conversation again: the role may have changed.',
  not_a_participant: 'Take the conversation out of the list, or offer to join where it is a channel.',
  blocked: 'Say that no messages can be exchanged with this person.',
  message_held: 'Show it as waiting; approved, it comes by `message:created` with its `clientMessageId`.',
  not_found: 'Forget the thing.',
  method_not_allowed: 'Look the method up in the reference.',
  idempotency_conflict: 'Make a new key for each new message; the first message under this key is stored.',
  revision_conflict: 'Fetch the message, show what changed, and let the person decide.',
  message_deleted: 'Show the message as deleted.',
  attachment_in_use: 'Upload the file again for another message.',
  payload_too_large: 'Send less at once.',
  unsupported_media_type: 'Send JSON with `Content-Type: application/json`, or another kind of file.',
  virus_found: 'Show it. The file is kept from everybody; uploading it again brings the same answer.',
  rate_limited: 'Wait for `retryAfterMs`, then repeat with the same key.',
  too_many_connections: 'Close another connection, or wait for `retryAfterMs`.',
  internal: 'Repeat with growing pauses. If it stays, tell the operator the `requestId`.',
  unavailable: 'The outcome is open: repeat with the same key after `retryAfterMs`, with growing pauses.',
} as const satisfies Record<ErrorCode, string>;

/**
 * The reference for readers, as one HTML page made from the same tables as the server itself. It has no script and no
 * inline style, so it lives under a strict content security policy; its style sheet is `docsStyles`, served at
 * `/docs/docs.css`. Serve the page at `/docs` and, because the `type` of a problem points there, at `/docs/errors`.
 */
export function renderDocsPage(): string {
  const { text } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Parley: protocol reference</title>
<link rel="stylesheet" href="${STYLES_PATH}">
</head>
<body>
<a class="skip" href="#content">Skip to the reference</a>
<header class="top">
<a class="brand" href="#overview">Parley</a>
<span class="subtitle">Protocol reference</span>
<span class="files"><a href="/openapi.json">OpenAPI</a><a href="/asyncapi.json">AsyncAPI</a></span>
</header>
<div class="layout">
${contents()}
<main id="content">
${overview()}
${restSection()}
${commandsSection()}
${eventsSection()}
${shapesSection()}
${errorsSection()}
${limitsSection()}
</main>
</div>
</body>
</html>
`;
  return text;
}

/** Markup that is safe to put into the page as it is. */
interface Html {
  readonly text: string;
}

type Part = Html | string | number | false | undefined | readonly Part[];

/** Puts values into markup; everything that is not `Html` itself is escaped. */
function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { text: strings.reduce((text, string, index) => text + render(parts[index - 1]) + string) };
}

function render(part: Part): string {
  if (part === undefined || part === false) return '';
  if (typeof part === 'object') return 'text' in part ? part.text : part.map(render).join('');
  return String(part).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

/** Text in which `code` stands between backticks. */
function prose(text: string): Html[] {
  return text.split('`').map((piece, index) => (index % 2 === 1 ? html`<code>${piece}</code>` : html`${piece}`));
}

function joined(parts: readonly Html[], between: string): Part[] {
  return parts.flatMap((part, index) => (index === 0 ? [part] : [between, part]));
}

const routes = Object.entries(ROUTES) as [RouteName, RouteDefinition][];
const routesByTag = [...Map.groupBy(routes, ([, route]) => route.tag)];
const collection = collectSchemas('draft-2020-12');

function contents(): Html {
  return html`<nav class="contents" aria-label="Contents">
<ul>
<li><a href="#overview">Overview</a></li>
<li><a href="#rest">REST</a>
${routesByTag.map(
  ([tag, group]) =>
    html`<p>${tag}</p><ul>${group.map(
      ([name, { method, path }]) =>
        html`<li><a href="#route-${name}"><span class="verb ${method.toLowerCase()}">${method}</span><span>${path.replace(/^\/conversations\/:cid\/(messages\/(?=:mid\/))?/, '…/')}</span></a></li>`,
    )}</ul>`,
)}</li>
<li><a href="#commands">Commands</a><ul>${Object.keys(COMMANDS).map(
    (name) => html`<li><a href="#command-${name}">${name}</a></li>`,
  )}</ul></li>
<li><a href="#events">Events</a><ul>${Object.keys(EVENTS).map(
    (name) => html`<li><a href="#event-${name}">${name}</a></li>`,
  )}</ul></li>
<li><a href="#shapes">Shapes</a></li>
<li><a href="#errors">Errors</a></li>
<li><a href="#limits">Limits</a></li>
</ul>
</nav>`;
}

function overview(): Html {
  return html`<section id="overview">
<h1>Protocol reference</h1>
<p class="lead">Conversations between people, durable and live. There are two doors to the same service: REST for calls, Socket.IO for commands and for everything the server tells by itself. A command that both have runs the same code and answers with the same JSON.</p>
<h2 id="first-call">First call</h2>
<p>Every call carries the person’s own token, a JWT. Where the server runs in guest mode it hands one out:</p>
<pre><code>TOKEN=$(curl -s localhost:3000${API_PREFIX}/auth/guest \\
  -H 'Content-Type: application/json' -d '{"name":"Ada"}' | jq -r .token)

curl -s localhost:3000${API_PREFIX}/conversations \\
  -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -d '{"type":"channel","title":"Tea"}'</code></pre>
<h2 id="connection">Live connection</h2>
<p>Socket.IO 4 at <code>/socket.io</code>, namespace <code>/</code>, the token in <code>auth.token</code>. From <a href="#event-ready"><code>ready</code></a> on no change is missed.</p>
<pre><code>import { io } from 'socket.io-client';

const socket = io('http://localhost:3000', { auth: { token } });
socket.on('message:created', ({ message }) =&gt; show(message));
socket.on('ready', async () =&gt; {
  const answer = await socket.emitWithAck('message:send', {
    conversationId, content: 'Hello', clientMessageId: crypto.randomUUID(),
  });
  if (!answer.ok) report(answer.error.detail);
});</code></pre>
<h2 id="conventions">What holds everywhere</h2>
<dl class="facts">
<dt>JSON</dt><dd>camelCase. Times are ISO 8601 in UTC with milliseconds. Fields that a request should not have are a <code>400</code>; a client passes over fields of an answer that it does not know.</dd>
<dt><code>seq</code> and <code>rev</code></dt><dd>Each conversation numbers its messages <code>seq</code> 1, 2, 3 … and counts its changes <code>rev</code> 1, 2, 3 …, both without gaps. A client that sees a gap in <code>rev</code> asks for <a href="#route-listChanges">changes</a>.</dd>
<dt>Lists</dt><dd><code>{ items, nextCursor }</code>. Give <code>nextCursor</code> back as <code>cursor</code>; <code>null</code> is the end. <code>limit</code> is ${CAPS.pageDefault}, at most ${CAPS.pageMost}.</dd>
<dt>Repeats</dt><dd>A send with the same <code>clientMessageId</code> (or <code>Idempotency-Key</code>) stores one message, for ever. Repeat freely after a lost answer.</dd>
<dt>Errors</dt><dd><code>application/problem+json</code>, and the same object in an acknowledgement. <code>code</code> is one of <a href="#errors">these</a>.</dd>
<dt>Request id</dt><dd>Every answer has <code>X-Request-Id</code>; it names the call in the server’s log.</dd>
</dl>
<h2 id="addresses">Other addresses</h2>
<p>Outside of <code>${API_PREFIX}</code>, without a token: <code>/health/live</code>, <code>/health/ready</code>, <code>/metrics</code>, <a href="/openapi.json"><code>/openapi.json</code></a>, <a href="/asyncapi.json"><code>/asyncapi.json</code></a>, <code>/docs</code>.</p>
</section>`;
}

function restSection(): Html {
  return html`<section id="rest">
<h2>REST</h2>
<p>Below <code>${API_PREFIX}</code>. Beside its own codes any call may answer with ${joined(COMMON_ERRORS.map(codeLink), ', ')}.</p>
<p>In a path <code>:cid</code> is the id of a conversation, <code>:mid</code> of a message, <code>:uid</code> of a person, and <code>:emoji</code> one emoji, percent-encoded.</p>
${routesByTag.map(
  ([tag, group]) => html`<h3>${tag}</h3>
${group.map(([name, route]) => routeEntry(name, route))}`,
)}
</section>`;
}

function routeEntry(name: RouteName, route: RouteDefinition): Html {
  const special = errorsOfRoute(route).filter((code) => !(COMMON_ERRORS as readonly ErrorCode[]).includes(code));
  return entry(`route-${name}`, routeTitle(route), [
    html`<p>${prose(route.summary)}${route.open && html` <span class="tag">no token</span>`}</p>`,
    route.query && fieldTable('Query', fieldsOf(route.query, 'input')),
    name === 'sendMessage' && fieldTable('Header', [IDEMPOTENCY_KEY]),
    route.body && fieldTable('Body', fieldsOf(route.body, 'input')),
    html`<dl class="answers">
<dt>Answers</dt>
<dd>${Object.entries(route.answers).map(
      ([status, schema]) =>
        html`<span class="answer"><b class="status">${status}</b> ${
          status === '204' ? 'no body' : typeOf(collection.schemaOf(schema, 'output'))
        }</span>`,
    )}</dd>
${special.length > 0 && html`<dt>Codes</dt><dd>${joined(special.map(codeLink), ', ')}</dd>`}
</dl>`,
  ]);
}

function routeTitle({ method, path }: RouteDefinition): Html {
  const pieces = path.split(/(:\w+)/).map((piece) => (piece.startsWith(':') ? html`<var>${piece}</var>` : piece));
  return html`<span class="verb ${method.toLowerCase()}">${method}</span> <code class="path">${pieces}</code>`;
}

function commandsSection(): Html {
  return html`<section id="commands">
<h2>Commands</h2>
<p>A command takes one object and an acknowledgement function, which is called with <code>{ ok: true, data }</code> or <code>{ ok: false, error }</code>, where <code>error</code> is a ${shapeLink('Problem')}. Commands that change something take effect in the order in which one socket sent them.</p>
${Object.entries(COMMANDS).map(([name, { summary, input, answer, mutating }]) =>
  entry(`command-${name}`, html`<code class="path">${name}</code>`, [
    html`<p>${prose(summary)}${mutating && html` <span class="tag">in order</span>`}</p>`,
    fieldTable('Takes', fieldsOf(input, 'input')),
    html`<dl class="answers"><dt>Data</dt><dd>${typeOf(collection.schemaOf(answer, 'output'))}</dd></dl>`,
  ]),
)}
</section>`;
}

function eventsSection(): Html {
  const entries = (events: Record<string, (typeof EVENTS)[keyof typeof EVENTS]>) =>
    Object.entries(events).map(([name, { summary, payload }]) =>
      entry(`event-${name}`, html`<code class="path">${name}</code>`, [
        html`<p>${prose(summary)}</p>`,
        fieldTable('Carries', fieldsOf(payload, 'output')),
        name === 'session:ended' && sessionEndTable(),
      ]),
    );
  return html`<section id="events">
<h2>Events</h2>
<p>Only those who are in a conversation hear of it.</p>
<h3>Changes</h3>
<p>Each raises the <code>rev</code> of its conversation by one and carries it. Apply them in the order of <code>rev</code>, once each.</p>
${entries(CHANGE_EVENTS)}
<h3>Others</h3>
<p>These raise no <code>rev</code>.</p>
${entries(OTHER_EVENTS)}
</section>`;
}

function sessionEndTable(): Html {
  return html`<div class="scroll"><table><caption>Codes of the end</caption>
<thead><tr><th scope="col">Code</th><th scope="col">Why</th><th scope="col">Come back</th></tr></thead>
<tbody>${Object.entries(SESSION_END_REASONS).map(
    ([code, { message, comeBack }]) =>
      html`<tr><td><code>${code}</code></td><td>${message}</td><td>${comeBack}</td></tr>`,
  )}</tbody></table></div>`;
}

function shapesSection(): Html {
  collection.schemaOf(ProblemSchema, 'output');
  // Bodies of requests stand with their routes; what remains is what answers and events share.
  const inRequests = new Set(routes.map(([, { body }]) => body && referredName(collection.schemaOf(body, 'input'))));
  const shapes = Object.entries(collection.schemas).filter(([name]) => !inRequests.has(name) && name !== 'JsonValue');
  return html`<section id="shapes">
<h2>Shapes</h2>
<p>What answers and events are made of.</p>
${shapes
  .toSorted(([one], [other]) => one.localeCompare(other))
  .map(([name, schema]) =>
    entry(`shape-${name}`, html`<span class="path">${name}</span>`, [
      Array.isArray(schema.oneOf)
        ? html`<p>One of these, told apart by <code>type</code>:</p>${(schema.oneOf as JsonObject[]).map((variant) =>
            fieldTable(
              html`<code>${String(asObject(asObject(variant.properties).type).const)}</code>`,
              fields(variant),
            ),
          )}`
        : fieldTable('', fields(schema)),
    ]),
  )}
</section>`;
}

function errorsSection(): Html {
  return html`<section id="errors">
<h2>Errors</h2>
<p>One table for both doors. The body is a ${shapeLink('Problem')}; its <code>type</code> points at a row of this table. What a person sees is general on purpose: the detail is in the server’s log under <code>requestId</code>.</p>
<div class="scroll"><table class="errors">
<thead><tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">Meaning, and what a client does</th><th scope="col">Repeat</th></tr></thead>
<tbody>${(Object.entries(ERRORS) as [ErrorCode, ErrorDefinition][]).map(
    ([code, { status, message, retryable }]) => html`<tr id="${code}">
<td><a class="anchor" href="#${code}"><code>${code}</code></a></td><td>${status}</td>
<td>${message}<br><span class="advice">${prose(ERROR_ADVICE[code])}</span></td><td>${retryable ? 'yes' : 'no'}</td></tr>`,
  )}</tbody></table></div>
</section>`;
}

/** What the names of `LIMITS` stand for. */
const LIMIT_TEXT = {
  messages: 'Messages sent',
  repeats: 'Repeats of sends (same key)',
  restCalls: 'REST calls',
  socketCommands: 'Commands over the socket',
  typing: '`typing:start`',
  uploads: 'Uploads',
  sync: '`sync`',
  sameText: 'The same text again (0: no limit)',
  flood: 'Messages into one conversation (0: no limit)',
  refusals: 'Answers 403 and 404 together',
  guestSignIns: 'Guest sign-ins',
  clientErrors: 'Errors of clients',
  badTokens: 'Bad tokens',
} as const satisfies Record<keyof typeof LIMITS, string>;

const CAP_TEXT: readonly (readonly [what: string, most: string])[] = [
  ['Message', '10,000 characters after cleaning (a setting)'],
  ['`clientMessageId`', `${CAPS.clientMessageId} characters`],
  ['User id', `${CAPS.userId} characters`],
  ['Title', `${CAPS.title} characters`],
  ['Name', `${CAPS.name} characters`],
  ['Reason', `${CAPS.reason} characters`],
  ['Query', `${CAPS.query} characters`],
  ['Metadata', `${CAPS.metadataBytes / 1024} KiB as JSON, ${CAPS.metadataDepth} levels`],
  ['People in one call', String(CAPS.peopleInCall)],
  ['People in a group', CAPS.peopleInGroup.toLocaleString('en')],
  ['Mentions in a message', String(CAPS.mentions)],
  ['Attachments of a message', String(CAPS.attachments)],
  ['Distinct emoji on a message', String(CAPS.distinctEmoji)],
  ['Cursors in a `sync`', String(CAPS.syncCursors)],
  ['Entries in a page', `${CAPS.pageMost}; of changes ${CAPS.changesMost.toLocaleString('en')}`],
  ['Body of a request', `${CAPS.bodyBytes / 1024} KiB`],
  ['Frame over the socket', `${CAPS.frameBytes / 1024} KiB`],
];

function limitsSection(): Html {
  return html`<section id="limits">
<h2>Limits</h2>
<p>Windows slide: the limit holds in any stretch of that length, over both doors and all nodes together. Past it the answer is ${codeLink('rate_limited')} with <code>retryAfterMs</code>, over REST also <code>Retry-After</code> and <code>RateLimit-*</code>. These are the defaults.</p>
<div class="scroll"><table><caption>How often</caption>
<thead><tr><th scope="col">What</th><th scope="col">At most</th><th scope="col">For each</th></tr></thead>
<tbody>${Object.entries(LIMITS).map(
    ([name, { limit, windowSeconds, per }]) =>
      html`<tr><td>${prose(LIMIT_TEXT[name as keyof typeof LIMITS])}</td><td>${limit.toLocaleString('en')} in ${windowSeconds} s</td><td>${per}</td></tr>`,
  )}</tbody></table></div>
<div class="scroll"><table><caption>How large</caption>
<thead><tr><th scope="col">What</th><th scope="col">At most</th></tr></thead>
<tbody>${CAP_TEXT.map(([what, most]) => html`<tr><td>${prose(what)}</td><td>${most}</td></tr>`)}</tbody></table></div>
<p>Characters are Unicode code points. Lists are counted after what stands in them twice has been dropped.</p>
</section>`;
}

function entry(id: string, title: Html, parts: readonly Part[]): Html {
  return html`<article id="${id}">
<h4><a class="anchor" href="#${id}">${title}</a></h4>
${parts}
</article>`;
}

function codeLink(code: ErrorCode): Html {
  return html`<a href="#${code}"><code>${code}</code></a>`;
}

function shapeLink(name: string): Html {
  return html`<a href="#shape-${name}">${name}</a>`;
}

/** What stands beside a field whose schema does not say it, because its name says the same thing everywhere. */
const FIELD_TEXT: Readonly<Record<string, string>> = {
  senderId: 'The person who sent it.',
  participantIds: 'The others; oneself need not be named.',
  clientMessageId: 'The client’s own key of the send: a repeat stores nothing twice.',
  attachmentIds: 'One’s own uploaded files, not sent before.',
  replyToId: 'The message of the same conversation that this one answers.',
  mentions: 'Ids of the persons it names.',
  reason: 'Kept in the audit trail.',
  emoji: 'One emoji.',
  seq: 'Number of a message.',
  rev: 'Number of a change.',
  lastSeq: 'Number of the newest message.',
  lastReadSeq: 'Read up to this message.',
  lastDeliveredSeq: 'Delivered up to this message.',
  unreadCount: 'Messages of others after `lastReadSeq` that are not deleted.',
  mentionCount: 'Those of them that mention this person.',
  participantCount: 'Present participants.',
  cursor: '`nextCursor` of the page before.',
  cursors: 'The last `rev` applied, by conversation.',
  confidential: 'Encrypted at rest; decided at the creation (docs/encryption.md).',
  leftAt: 'Null while present.',
  nextCursor: 'Null at the end.',
  token: 'A JWT.',
};

/** The header that may stand for `clientMessageId`. */
const IDEMPOTENCY_KEY: Field = {
  path: 'Idempotency-Key',
  optional: true,
  schema: { type: 'string', description: 'The same as `clientMessageId`; where both are given they must be equal.' },
};

/** Which thing a command is about comes before what to do with it. */
const LEADING = ['conversationId', 'messageId', 'userId'];

/** A field of a shape, ready for a row. Fields within it that have no name of their own follow as `outer.inner`. */
interface Field {
  readonly path: string;
  readonly optional: boolean;
  readonly schema: JsonObject;
}

function fieldsOf(schema: Parameters<typeof collection.schemaOf>[0], side: 'input' | 'output'): Field[] {
  const made = collection.schemaOf(schema, side);
  return fields(collection.schemas[referredName(made) ?? ''] ?? made).toSorted((one, other) => rank(one) - rank(other));
}

function rank({ path }: Field): number {
  const place = LEADING.indexOf(path);
  return place < 0 ? LEADING.length : place;
}

function fields(schema: JsonObject, prefix = ''): Field[] {
  const required = (schema.required ?? []) as readonly Json[];
  return Object.entries(asObject(schema.properties)).flatMap(([name, property]): Field[] => {
    const inner = asObject(property);
    const items = asObject(inner.items);
    const path = prefix + name;
    return [
      { path, optional: !required.includes(name), schema: inner },
      ...(isShort(inner) ? [] : fields(inner, `${path}.`)),
      ...(isShort(items) ? [] : fields(items, `${path}[].`)),
    ];
  });
}

function fieldTable(caption: Html | string, rows: readonly Field[]): Html {
  return html`<div class="scroll"><table class="fields">${caption !== '' && html`<caption>${caption}</caption>`}
<tbody>${rows.map(
    ({ path, optional, schema }) =>
      html`<tr><th scope="row"><code>${path}</code></th><td class="type">${typeOf(schema)}${optional && html` <span class="tag">optional</span>`}</td><td>${notesOf(path, schema)}</td></tr>`,
  )}</tbody></table></div>`;
}

/** The type of a value, as a person would say it. */
function typeOf(schema: JsonObject): Part {
  const name = referredName(schema);
  if (name === 'JsonValue') return 'any JSON';
  if (name !== undefined) return shapeLink(name);
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (Array.isArray(schema.enum)) {
    // The only list as long as that is the table of errors.
    if (schema.enum.length === Object.keys(ERRORS).length) return html`one of <a href="#errors">these</a>`;
    return joined(
      (schema.enum as readonly Json[]).map((value) => html`<code>${String(value)}</code>`),
      ' | ',
    );
  }
  const variants = (schema.anyOf ?? schema.oneOf ?? schema.allOf) as readonly JsonObject[] | undefined;
  if (variants) {
    return joined(
      variants.map((variant) => html`${typeOf(variant)}`),
      ' or ',
    );
  }
  if (Array.isArray(schema.type)) return (schema.type as readonly string[]).join(' or ');
  if (schema.type === 'array') return html`list of ${typeOf(asObject(schema.items))}`;
  if (schema.type === 'object') return objectType(schema);
  if (schema.format === 'date-time') return 'time';
  if (schema.format === 'uuid') return 'id';
  return typeof schema.type === 'string' ? schema.type : 'any JSON';
}

function objectType(schema: JsonObject): Part {
  const { items, nextCursor, ...others } = asObject(schema.properties);
  if (items !== undefined && nextCursor !== undefined && Object.keys(others).length === 0) {
    return html`page of ${typeOf(asObject(asObject(items).items))}`;
  }
  if (!schema.properties) return html`map of ${typeOf(asObject(schema.additionalProperties))}`;
  const entries = Object.entries(asObject(schema.properties));
  if (!isShort(schema)) return 'object';
  return html`{ ${joined(
    entries.map(([key, value]) => html`<code>${key}</code>: ${typeOf(asObject(value))}`),
    ', ',
  )} }`;
}

/** Whether a shape without a name fits into the row of its field; one that does not gets rows of its own. */
function isShort(schema: JsonObject): boolean {
  return Object.keys(asObject(schema.properties)).length <= 3;
}

function notesOf(path: string, schema: JsonObject): Part[] {
  const notes: Part[] = [];
  const text = typeof schema.description === 'string' ? schema.description : FIELD_TEXT[path.split('.').at(-1) ?? ''];
  if (text !== undefined) notes.push(prose(text));
  const { default: fallback, minimum, maximum } = schema;
  const hasFallback = fallback !== undefined && fallback !== '' && !(Array.isArray(fallback) && fallback.length === 0);
  if (typeof maximum === 'number' && maximum < Number.MAX_SAFE_INTEGER) {
    notes.push(`${Number(minimum ?? 0)} to ${maximum.toLocaleString('en')}.`);
  }
  if (hasFallback) notes.push(html`Default <code>${String(fallback)}</code>.`);
  return joined(
    notes.map((note) => html`${note}`),
    ' ',
  );
}
