/**
 * The server that the tutorials build, with care and without tricks: Express, Socket.IO, Prisma, one interactive
 * transaction for each message, a broadcast to the room. It verifies tokens, checks membership, numbers the messages,
 * and says nothing before the commit. PORT: where it listens; DATABASE_URL, JWT_SECRET as with the product.
 */
import { createServer } from 'node:http';
import { PrismaPg } from '@prisma/adapter-pg';
import express from 'express';
import { jwtVerify } from 'jose';
import { Server } from 'socket.io';
import { PrismaClient } from '../../server/prisma/generated/client.ts';

interface SentMessage {
  readonly conversationId: string;
  readonly content: string;
  readonly clientMessageId: string;
}

const prisma = new PrismaClient({
  adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL! }),
  // Under a burst a transaction may wait long for a connection; the default would refuse it after two seconds.
  transactionOptions: { maxWait: 30_000, timeout: 30_000 },
});
const secret = new TextEncoder().encode(process.env.JWT_SECRET);

const app = express();
const http = createServer(app);
const io = new Server(http, { transports: ['websocket'], serveClient: false });

app.use(async (request, response, next) => {
  try {
    response.locals.userId = await verify(request.headers.authorization?.replace(/^Bearer /, ''));
    next();
  } catch {
    response.status(401).json({ code: 'unauthenticated' });
  }
});

app.get('/conversations', async (_request, response) => {
  const memberships = await prisma.conversationParticipant.findMany({
    where: { userId: response.locals.userId, leftAt: null },
    include: { conversation: true },
    orderBy: { conversation: { lastMessageAt: 'desc' } },
    take: 50,
  });
  const items = await Promise.all(
    memberships.map(async ({ conversation, lastReadSeq }) => ({
      id: conversation.id,
      title: conversation.title,
      lastMessage: shown(
        await prisma.message.findFirst({ where: { conversationId: conversation.id }, orderBy: { seq: 'desc' } }),
      ),
      unreadCount: await prisma.message.count({
        where: {
          conversationId: conversation.id,
          seq: { gt: lastReadSeq },
          senderId: { not: response.locals.userId },
          deletedAt: null,
        },
      }),
    })),
  );
  response.json({ items });
});

app.get('/conversations/:id/messages', async (request, response) => {
  const conversationId = request.params.id;
  await requireMember(conversationId, response.locals.userId);
  const before = request.query.before === undefined ? undefined : Number(request.query.before);
  const items = await prisma.message.findMany({
    where: { conversationId, ...(before !== undefined && { seq: { lt: before } }) },
    orderBy: { seq: 'desc' },
    take: 50,
  });
  response.json({ items: items.reverse().map(shown) });
});

io.use(async (socket, next) => {
  try {
    socket.data.userId = await verify(socket.handshake.auth.token);
    next();
  } catch {
    next(new Error('unauthenticated'));
  }
});

io.on('connection', async (socket) => {
  const { userId } = socket.data;
  // Listening first: what comes while the rooms are looked up is not lost.
  socket.on('message:send', async (sent: SentMessage, acknowledge: (answer: unknown) => void) => {
    try {
      const message = shown(await store(userId, sent));
      io.to(sent.conversationId).emit('message:created', { message });
      acknowledge({ ok: true, data: message });
    } catch (error) {
      acknowledge({ ok: false, error: String(error) });
    }
  });
  const memberships = await prisma.conversationParticipant.findMany({ where: { userId, leftAt: null } });
  for (const { conversationId } of memberships) socket.join(conversationId);
  socket.emit('ready');
});
http.listen(Number(process.env.PORT), '127.0.0.1');

async function verify(token: string | undefined): Promise<string> {
  const { payload } = await jwtVerify(token ?? '', secret, { algorithms: ['HS256'] });
  return payload.sub!;
}

async function requireMember(conversationId: string, userId: string): Promise<void> {
  const participant = await prisma.conversationParticipant.findUnique({
    where: { conversationId_userId: { conversationId, userId } },
  });
  if (!participant || participant.leftAt !== null) throw new Error('not a participant');
}

/** Checks, numbers, stores, and moves the sender's pointer, together. The update holds the conversation's row. */
function store(userId: string, { conversationId, content, clientMessageId }: SentMessage) {
  return prisma.$transaction(async (tx) => {
    const key = { conversationId_userId: { conversationId, userId } };
    const participant = await tx.conversationParticipant.findUnique({ where: key });
    if (!participant || participant.leftAt !== null) throw new Error('not a participant');
    const { lastSeq, rev } = await tx.conversation.update({
      where: { id: conversationId },
      data: { lastSeq: { increment: 1 }, rev: { increment: 1 }, lastMessageAt: new Date() },
    });
    const message = await tx.message.create({
      data: {
        id: crypto.randomUUID(),
        conversationId,
        seq: lastSeq,
        rev,
        senderId: userId,
        content,
        clientMessageId,
      },
    });
    await tx.conversationParticipant.update({ where: key, data: { lastReadSeq: lastSeq } });
    return message;
  });
}

/** Numbers of the database do not fit into JSON by themselves. */
function shown<Row extends { seq: bigint; rev: bigint }>(message: Row | null) {
  return message && { ...message, seq: Number(message.seq), rev: Number(message.rev) };
}
