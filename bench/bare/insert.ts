/**
 * Socket.IO and the least that stores a message: sends that wait at the same moment go into one INSERT, are told to the
 * room after it, and acknowledged. Nothing is checked, and numbers come from memory. A lone send is one bare INSERT.
 * PORT: where it listens; DATABASE_URL: a database with the product's tables.
 */
import { createServer } from 'node:http';
import pg from 'pg';
import { Server } from 'socket.io';
import { makeMessage, type SentMessage } from './message.ts';

const http = createServer((_request, response) => response.end('ok'));
const io = new Server(http, { transports: ['websocket'], serveClient: false });
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
const heads = new Map<string, number>();

interface Waiting {
  readonly room: string;
  readonly message: ReturnType<typeof makeMessage>;
  readonly acknowledge: (answer: unknown) => void;
}

let waiting: Waiting[] = [];
let isStoring = false;

io.on('connection', (socket) => {
  const room = String(socket.handshake.query.room);
  socket.join(room);
  socket.on('message:send', (sent: SentMessage, acknowledge: Waiting['acknowledge']) => {
    const seq = (heads.get(room) ?? 0) + 1;
    heads.set(room, seq);
    waiting.push({ room, message: makeMessage(sent, seq, socket.id), acknowledge });
    if (!isStoring) void storeAll();
  });
});

async function storeAll(): Promise<void> {
  isStoring = true;
  while (waiting.length > 0) {
    const batch = waiting;
    waiting = [];
    await (batch.length === 1 ? storeOne(batch[0]!.message) : storeMany(batch.map(({ message }) => message)));
    for (const { room, message, acknowledge } of batch) {
      io.to(room).emit('message:created', { conversationId: room, rev: message.rev, message });
      acknowledge({ ok: true, data: message });
    }
  }
  isStoring = false;
}

type Message = Waiting['message'];

const COLUMNS = '(id, "conversationId", seq, rev, "senderId", content, "clientMessageId")';

function storeOne({ id, conversationId, seq, senderId, content, clientMessageId }: Message): Promise<unknown> {
  const text = `INSERT INTO "Message" ${COLUMNS} VALUES ($1, $2, $3, $3, $4, $5, $6)`;
  return client.query({ name: 'one', text, values: [id, conversationId, seq, senderId, content, clientMessageId] });
}

function storeMany(messages: readonly Message[]): Promise<unknown> {
  const column = <Key extends keyof Message>(key: Key) => messages.map((message) => message[key]);
  return client.query({
    name: 'many',
    text: `INSERT INTO "Message" ${COLUMNS}
      SELECT id, cid, seq, seq, sender, content, key
      FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[])
        AS message(id, cid, seq, sender, content, key)`,
    values: [
      column('id'),
      column('conversationId'),
      column('seq'),
      column('senderId'),
      column('content'),
      column('clientMessageId'),
    ],
  });
}

await client.connect();
// Numbers go on after a round before.
const { rows } = await client.query<{ id: string; seq: string }>(
  'SELECT "conversationId" AS id, max(seq) AS seq FROM "Message" GROUP BY 1',
);
for (const { id, seq } of rows) heads.set(id, Number(seq));
http.listen(Number(process.env.PORT), '127.0.0.1');
